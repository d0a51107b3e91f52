// The workbench with its window: what `mixoscope open` does.
#pragma once

#include <QString>
#include <filesystem>
#include <memory>
#include <string>

namespace mixoscope {

class MainWindow;
class Workbench;

struct RunWindowOptions {
    std::string model;  // "demo", a folder, a recorded session; empty: the start page
    std::filesystem::path demo_directory;
    std::filesystem::path session_directory;  // empty: the one set in the window, else sessionDirectoryDefault()
    bool record = true;
    int threads = 0;
};

/// Where sessions are written when nothing else is said: mixoscope/ in the user's data directory.
std::filesystem::path sessionDirectoryDefault();

/// A workbench and its window on screen, for as long as this lives. Needs a QApplication with a Theme.
class ShownWindow {
public:
    /// Shows the window, and opens the model behind it once the event loop runs. `settings_file` as in WindowOptions.
    ShownWindow(const RunWindowOptions& options, const QString& settings_file);
    ~ShownWindow();
    MainWindow& window() { return *m_window; }

private:
    std::unique_ptr<Workbench> m_workbench;
    std::unique_ptr<MainWindow> m_window;
};

/// Makes a QApplication, shows the window, then opens the model; returns the program's exit status.
int runWindow(int argc, char** argv, const RunWindowOptions& options);

}  // namespace mixoscope
