// The window as `mixoscope open` shows it: model, folder and theme come from the command line and the user's settings.
#include "app/window/run_window.h"

#include <gtest/gtest.h>

#include <QSettings>
#include <QTest>

#include "views/chat_view.h"
#include "views/theme.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::waitFor;

class RunWindow : public testing::Test {
protected:
    void TearDown() override { Theme::instance().setChoice(ThemeChoice::kLight); }
    QString settingsFile() const { return QString::fromStdString((directory.path() / "window.ini").string()); }
    RunWindowOptions options() const {
        return {.model = {},
                .demo_directory = test::demoModel(),
                .session_directory = directory.path() / "sessions",
                .record = true,
                .threads = 1};
    }
    test::TemporaryDirectory directory;
};

TEST_F(RunWindow, WithoutAModelItIsTheStartPage) {
    ShownWindow shown(options(), settingsFile());
    EXPECT_TRUE(shown.window().isVisible());
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&shown.window()));
    EXPECT_TRUE(shown.window().findChild<QWidget*>(u"start_page"_s)->isVisible());
    EXPECT_EQ(shown.window().bridge().latest()->model, nullptr);
}

TEST_F(RunWindow, TheWindowIsThereBeforeTheModelAndThenOpensIt) {
    RunWindowOptions asked = options();
    asked.model = "demo";
    ShownWindow shown(asked, settingsFile());
    EXPECT_TRUE(shown.window().isVisible());
    EXPECT_EQ(shown.window().bridge().latest()->model, nullptr);
    ASSERT_TRUE(waitFor([&] { return shown.window().bridge().latest()->model != nullptr; }));
    EXPECT_TRUE(waitFor([&] { return shown.window().findChild<QWidget*>(u"chat_page"_s)->isVisible(); }));
    EXPECT_EQ(shown.window().bridge().latest()->recorder.state, RecorderStatus::State::kWaiting);
}

TEST_F(RunWindow, RecordsOnlyWhenAsked) {
    RunWindowOptions asked = options();
    asked.record = false;
    asked.model = "demo";
    ShownWindow shown(asked, settingsFile());
    ASSERT_TRUE(waitFor([&] { return shown.window().bridge().latest()->model != nullptr; }));
    EXPECT_EQ(shown.window().bridge().latest()->recorder.state, RecorderStatus::State::kOff);
}

TEST_F(RunWindow, TakesThemeAndSessionFolderFromTheUsersSettings) {
    const std::filesystem::path chosen = directory.path() / "chosen";
    {
        WindowSettings settings(settingsFile());
        settings.setTheme(ThemeChoice::kDark);
        settings.setSessionDirectory(QString::fromStdString(chosen.string()));
    }
    RunWindowOptions asked = options();
    asked.session_directory.clear();
    asked.model = "demo";
    ShownWindow shown(asked, settingsFile());
    EXPECT_TRUE(colours().dark);
    ASSERT_TRUE(QTest::qWaitForWindowActive(&shown.window()));
    ASSERT_TRUE(waitFor([&] { return shown.window().findChild<QWidget*>(u"chat_page"_s)->isVisible(); }));
    QTest::keyClicks(QApplication::focusWidget(), u"What is 2 + 3? /no_think"_s);
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
    ASSERT_TRUE(waitFor([&] { return !shown.window().bridge().latest()->recorder.file.empty(); }));
    EXPECT_EQ(shown.window().bridge().latest()->recorder.file.parent_path(), chosen);
}

TEST_F(RunWindow, KeepsItsSizeFromOneStartToTheNext) {
    const QSize chosen(1210, 777);
    {
        ShownWindow shown(options(), settingsFile());
        ASSERT_TRUE(QTest::qWaitForWindowExposed(&shown.window()));
        ASSERT_NE(shown.window().size(), chosen);
        shown.window().resize(chosen);
        shown.window().close();
    }
    ShownWindow again(options(), settingsFile());
    EXPECT_EQ(again.window().size(), chosen);
}

TEST_F(RunWindow, SessionsGoToTheUsersDataFolderByDefault) {
    qputenv("XDG_DATA_HOME", QByteArray::fromStdString(directory.path().string()));
    EXPECT_EQ(sessionDirectoryDefault(), directory.path() / "mixoscope" / "sessions");
    qunsetenv("XDG_DATA_HOME");
}

}  // namespace
}  // namespace mixoscope
