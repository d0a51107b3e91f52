// A window over a real workbench: real model, real session files, real events.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>

#include "app/window/main_window.h"
#include "sessions/workbench.h"
#include "support/temporary_directory.h"

class QSlider;

namespace mixoscope::test {

/// The trained demo model, or what MIXO_TEST_MODEL names.
std::filesystem::path demoModel();

/// Turns the event loop until `done`; false if it takes longer than a minute.
bool waitFor(const std::function<bool()>& done);

/// Where a slider's handle is at this value.
QPoint sliderHandle(const QSlider& slider, int value);

class WindowTest : public testing::Test {
protected:
    /// Opens the window; a model is opened in it if one is named.
    void open(const std::string& model, QSize size = {1600, 1000});
    void TearDown() override;

    template <typename Widget>
    Widget& find(const QString& name) const {
        auto* widget = window->findChild<Widget*>(name);
        if (widget == nullptr) throw std::runtime_error("no widget " + name.toStdString());
        return *widget;
    }
    /// The window's own settings, kept from one open() to the next.
    QString settingsFile() const;
    SnapshotPointer latest() const { return window->bridge().latest(); }
    const TurnFacts& turn() const { return latest()->lanes.front().turns.back(); }
    /// Types into whatever has the focus.
    void type(const QString& text) const;
    /// What a click on this entry of a menu does.
    void trigger(const QString& action) const;
    void keepPicture(const QString& name) const;

    TemporaryDirectory directory;
    std::unique_ptr<Workbench> workbench;
    std::unique_ptr<MainWindow> window;
};

}  // namespace mixoscope::test
