// Pictures of the real window, off screen: of a demonstration run or of a recorded session.
#pragma once

#include <QImage>
#include <QSize>
#include <filesystem>
#include <string>
#include <string_view>

#include "views/bridge.h"

namespace mixoscope {

/// What `view` can be, as in the window's menu of exports.
inline constexpr std::string_view kViewNames =
    "tokens, chat, heatmap, load-balance, think-length, token-inspector, expert-inspector, self-checks, timeline, log, "
    "lanes, metrics, forks, attribution, accuracy-budget, accuracy-speed, speed-lanes, accuracy-map, "
    "think-distribution, "
    "experiment-results, experiment-runs";

struct ScreenshotOptions {
    std::filesystem::path out;      // PNG; takeScreenshot() only
    std::string view;               // a view's name, or empty: the whole window
    std::filesystem::path session;  // empty: the model answers `prompt`
    std::int64_t step = -1;         // of the session, from 1; < 0: its end
    std::string theme = "light";    // or "dark"
    int width = 1600;
    int height = 1000;
    std::string model = "demo";
    std::filesystem::path demo_directory;
    std::string prompt = "Tom has 12 apples. He buys 30 more and gives away 5. How many apples does he have now?";
};

/// A window of this size that shows `snapshot`, in the theme in force. Turns the event loop while panels settle.
QImage pictureOf(const SnapshotPointer& snapshot, QSize size);

/// The picture itself; takes the theme with it. Needs a QApplication with a Theme. Throws Error.
QImage pictureOf(const ScreenshotOptions& options);

/// Throws Error when the file cannot be written.
void savePicture(const QImage& picture, const QString& path);

/// Renders and writes the picture. Needs no display: without one Qt's offscreen platform is used. Throws Error.
void takeScreenshot(int argc, char** argv, const ScreenshotOptions& options);

}  // namespace mixoscope
