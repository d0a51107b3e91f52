// `mixoscope screenshot` and `mixoscope replay`: a picture of the real window, rendered without a display.
#ifdef MIXO_WITH_GUI
#include "app/window/screenshot.h"

#include <memory>
#include <regex>
#include <string>
#include <utility>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/resource_directory.h"
#include "engine/error.h"

namespace mixoscope {

namespace {

struct PictureOptions {
    std::string out;
    std::string view;
    std::string session;
    std::int64_t step = -1;
    std::string theme = "light";
    std::string size = "1600x1000";
    std::string model = "demo";
    std::string prompt;
};

/// WxH. Throws Error.
std::pair<int, int> parseSize(const std::string& text) {
    static const std::regex kPattern("([0-9]{2,5})x([0-9]{2,5})");
    constexpr int kLargest = 16384;
    std::smatch match;
    if (std::regex_match(text, match, kPattern)) {
        const int width = std::stoi(match[1]);
        const int height = std::stoi(match[2]);
        if (width >= 64 && height >= 64 && width <= kLargest && height <= kLargest) return {width, height};
    }
    throw Error({.what = "This is no size of a picture",
                 .where = "--size",
                 .expected = "WIDTHxHEIGHT in pixels, each from 64 to " + std::to_string(kLargest),
                 .found = "\"" + text + "\""});
}

int runScreenshot(const PictureOptions& options, CommandStreams& streams) {
    const auto [width, height] = parseSize(options.size);
    ScreenshotOptions picture;
    picture.out = options.out;
    picture.view = options.view;
    picture.session = options.session;
    picture.step = options.step;
    picture.theme = options.theme;
    picture.width = width;
    picture.height = height;
    picture.model = options.model;
    picture.demo_directory = resourceDirectory() / "demo";
    if (!options.prompt.empty()) picture.prompt = options.prompt;
    std::string name = "mixoscope";
    char* arguments[] = {name.data(), nullptr};
    takeScreenshot(1, arguments, picture);
    streams.out << options.out << '\n';
    return kDone;
}

void addLookOptions(CLI::App& command, PictureOptions& options) {
    command.add_option("--view", options.view, "One view: " + std::string(kViewNames) + "; without: the whole window");
    command.add_option("--theme", options.theme, "light or dark")
        ->check(CLI::IsMember({"light", "dark"}))
        ->capture_default_str();
    command.add_option("--size", options.size, "Size of the window in pixels, WIDTHxHEIGHT")->capture_default_str();
}

}  // namespace

void addReplayCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<PictureOptions>();
    CLI::App* command = program.add_subcommand("replay", "A picture of a recorded session at one of its steps");
    command->add_option("session", options->session, "Session file (.mixo)")->required();
    command->add_option("--at", options->step, "Step of the recording, from 1; without: its end")
        ->check(CLI::PositiveNumber);
    command->add_option("--screenshot", options->out, "PNG file to write")->required();
    addLookOptions(*command, *options);
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) { return runScreenshot(*options, streams); };
    });
}

void addScreenshotCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<PictureOptions>();
    CLI::App* command = program.add_subcommand("screenshot", "A picture of the window or of one view");
    command->add_option("--out", options->out, "PNG file to write")->required();
    command->add_option("--session", options->session,
                        "Show this recorded session, or these results of an experiment; without: the model answers a "
                        "prompt");
    addLookOptions(*command, *options);
    command->add_option("--model", options->model, "demo, demo-top1, demo-any, or a Hugging Face directory")
        ->capture_default_str();
    command->add_option("--prompt", options->prompt, "What the model is asked");
    command->callback([options, &action] {
        action = [options](CommandStreams& streams) { return runScreenshot(*options, streams); };
    });
}

}  // namespace mixoscope
#endif
