// The workbench with its window: what `mixoscope open` does.
#pragma once

#include <filesystem>
#include <string>

namespace mixoscope {

struct RunWindowOptions {
    std::string model;  // "demo", a folder; empty: the start page
    std::filesystem::path demo_directory;
    std::filesystem::path session_directory;  // empty: the one set in the window, else sessionDirectoryDefault()
    bool record = true;
    int threads = 0;
};

/// Where sessions are written when nothing else is said: mixoscope/ in the user's data directory.
std::filesystem::path sessionDirectoryDefault();

/// Makes a QApplication, shows the window, then opens the model; returns the program's exit status.
int runWindow(int argc, char** argv, const RunWindowOptions& options);

}  // namespace mixoscope
