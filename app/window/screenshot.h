// Pictures of the real window, off screen: of a demonstration run or of a recorded session.
#pragma once

#include <QImage>
#include <filesystem>
#include <string>

namespace mixoscope {

struct ScreenshotOptions {
    std::filesystem::path out;      // PNG; takeScreenshot() only
    std::string view;               // a view's name, or empty: the whole window
    std::filesystem::path session;  // empty: the model answers `prompt`
    std::string theme = "light";    // or "dark"
    int width = 1600;
    int height = 1000;
    std::string model = "demo";
    std::filesystem::path demo_directory;
    std::string prompt = "Tom has 12 apples. He buys 30 more and gives away 5. How many apples does he have now?";
};

/// The picture itself; takes the theme with it. Needs a QApplication with a Theme. Throws Error.
QImage pictureOf(const ScreenshotOptions& options);

/// Renders and writes the picture. Needs no display: without one Qt's offscreen platform is used. Throws Error.
void takeScreenshot(int argc, char** argv, const ScreenshotOptions& options);

}  // namespace mixoscope
