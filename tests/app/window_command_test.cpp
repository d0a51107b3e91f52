// `mixoscope open` and `screenshot` as far as the command line goes; what they show is the window tests' business.
#if __has_include(<QApplication>)  // the build has a window

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <QApplication>
#include <QScreen>
#include <QTest>
#include <QTimer>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/run_program_test.h"
#include "app/window/main_window.h"
#include "support/paths.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using test::ProgramResult;
using test::runProgramWith;

TEST(WindowCommand, BadUsageIsRefusedBeforeAnyWindow) {
    for (const auto& [arguments, message] : std::vector<std::pair<std::vector<std::string>, std::string>>{
             {{"screenshot"}, "--out"},
             {{"screenshot", "--out", "x.png", "--theme", "pink"}, "pink"},
             {{"screenshot", "--out", "x.png", "--size", "huge"}, "--size: This is no size of a picture"},
             {{"screenshot", "--out", "x.png", "--size", "10x10"}, "found \"10x10\""},
             {{"screenshot", "--out", "x.png", "--size", "99999x100"}, "from 64 to 16384"},
             {{"open", "old.mixo"}, "old.mixo: The session cannot be opened; expected a session file; found no such"},
             {{"old.mixo"}, "old.mixo: The session cannot be opened; expected a session file; found no such"},
             {{"dmeo"}, "a model or a recorded session; found \"dmeo\". Did you mean demo?"},
             {{"replay"}, "session"},
             {{"replay", "old.mixo"}, "--screenshot"},
             {{"replay", "old.mixo", "--screenshot", "x.png", "--at", "0"}, "--at"},
             {{"open", "--threads", "-1"}, "--threads"}}) {
        const ProgramResult result = runProgramWith(arguments);
        EXPECT_EQ(result.status, 2) << arguments[0];
        EXPECT_TRUE(test::isMessage(result.err)) << result.err;
        EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    }
}

TEST(WindowCommand, ScreenshotWritesAPngOfTheSizeAskedFor) {
    const test::TemporaryDirectory directory;
    std::filesystem::create_directory(directory / "model");
    test::writeTinyModel(directory / "model");
    const std::string session = (directory / "turn.mixo").string();
    ASSERT_EQ(runProgramWith({"generate", "--model", (directory / "model").string(), "--prompt", "hello",
                              "--max-tokens", "6", "--ignore-eos", "--record", session})
                  .status,
              0);
    const std::string picture = (directory / "window.png").string();
    // In a process of its own, as where nobody is logged in: no display, no folder for a login's files.
    const std::string errors = (directory / "errors.txt").string();
    const std::string command = "env -u QT_QPA_PLATFORM -u DISPLAY -u WAYLAND_DISPLAY -u XDG_RUNTIME_DIR " +
                                test::programPath().string() + " screenshot --size 1280x800 --session " + session +
                                " --out " + picture + " >/dev/null 2>" + errors;
    ASSERT_EQ(std::system(command.c_str()), 0);
    EXPECT_EQ(std::filesystem::file_size(errors), 0U) << "only messages of the program belong on stderr";
    std::ifstream file(picture, std::ios::binary);
    std::string head(24, '\0');
    file.read(head.data(), std::ssize(head));
    ASSERT_EQ(file.gcount(), 24);
    EXPECT_EQ(head.substr(1, 3), "PNG");
    const auto number = [&](std::size_t place) {  // big-endian, in the image header
        int value = 0;
        for (std::size_t byte = 0; byte < 4; ++byte)
            value = value * 256 + static_cast<unsigned char>(head[place + byte]);
        return value;
    };
    EXPECT_EQ(number(16), 1280);
    EXPECT_EQ(number(20), 800);

    const auto replayed = [&](const std::string& step) {
        return std::system((test::programPath().string() + " replay " + session + " --size 1280x800 --at " + step +
                            " --screenshot " + (directory / (step + ".png")).string() + " >/dev/null 2>" + errors)
                               .c_str());
    };
    const auto content = [&](const std::string& name) {
        std::ifstream in(directory / name, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(in), {});
    };
    ASSERT_EQ(replayed("1"), 0);
    ASSERT_EQ(replayed("3"), 0);
    EXPECT_FALSE(content("1.png").empty());
    EXPECT_NE(content("1.png"), content("3.png")) << "another step, other tokens";
    EXPECT_NE(replayed("9999"), 0);
    EXPECT_NE(content("errors.txt").find("no such step"), std::string::npos) << content("errors.txt");
}

TEST(WindowCommand, WithoutADisplayTheWindowSaysWhatIsMissing) {
    const test::TemporaryDirectory directory;
    const std::string errors = (directory / "errors.txt").string();
    const std::string command = "env -u QT_QPA_PLATFORM -u DISPLAY -u WAYLAND_DISPLAY " + test::programPath().string() +
                                " open demo >/dev/null 2>" + errors;
    const int status = std::system(command.c_str());
    ASSERT_TRUE(WIFEXITED(status)) << "Qt aborts where it finds no display";
    EXPECT_EQ(WEXITSTATUS(status), 2);
    std::ifstream stream(errors, std::ios::binary);
    const std::string message(std::istreambuf_iterator<char>(stream), {});
    EXPECT_TRUE(test::isMessage(message)) << message;
    EXPECT_NE(message.find("expected DISPLAY or WAYLAND_DISPLAY"), std::string::npos) << message;
}

QSize first_size;  // of the program's window, where nothing was kept from a start before
QSize screen_size;
std::filesystem::path session_of_the_turn;  // empty: nothing was recorded

/// Sends a message once the program's window has its model, and closes the window after the answer; one that shows a
/// recording is closed at once. Runs when the program makes its application.
void askThenClose() {
    auto* check = new QTimer(qApp);
    QObject::connect(check, &QTimer::timeout, check, [asked = false]() mutable {
        for (QWidget* widget : QApplication::topLevelWidgets()) {
            auto* window = qobject_cast<MainWindow*>(widget);
            if (window == nullptr || !window->isVisible() || window->bridge().latest()->model == nullptr) continue;
            const SnapshotPointer latest = window->bridge().latest();
            if (latest->recorded) {
                window->close();
                return;
            }
            if (!asked) {
                first_size = window->size();
                screen_size = window->screen()->availableGeometry().size();
                auto* const message = window->findChild<QWidget*>(QStringLiteral("message_edit"));
                if (!message->isVisible() || !message->isEnabled()) return;
                asked = true;
                QTest::keyClicks(message, QStringLiteral("hello"));
                QTest::keyClick(message, Qt::Key_Return);
            } else if (latest->state == WorkbenchState::kReady && !latest->conversation.empty()) {
                session_of_the_turn = latest->recorder.file;
                window->close();
            }
            return;
        }
    });
    check->start(5);
}

TEST(WindowCommand, OpenRunsUntilTheWindowIsClosed) {
    const test::TemporaryDirectory directory;
    std::filesystem::create_directory(directory / "model");
    test::writeTinyModel(directory / "model");
    qputenv("QT_QPA_PLATFORM", "offscreen");
    qputenv("XDG_CONFIG_HOME", QByteArray::fromStdString((directory / "config").string()));
    qAddPreRoutine(askThenClose);
    const std::vector<std::string> open = {
        "open", (directory / "model").string(), "--sessions", (directory / "sessions").string(), "--threads", "1"};
    const ProgramResult result = runProgramWith(open);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    EXPECT_EQ(session_of_the_turn.parent_path(), directory / "sessions");
    EXPECT_TRUE(std::filesystem::exists(session_of_the_turn));
    EXPECT_TRUE(std::filesystem::exists(directory / "config")) << "the window keeps where its panels were";
    ASSERT_LT(screen_size.height(), 1000) << "or nothing is tested here";
    EXPECT_LE(first_size.height(), screen_size.height());

    std::vector<std::string> unrecorded = open;
    unrecorded.emplace_back("--no-record");
    EXPECT_EQ(runProgramWith(unrecorded).status, 0);
    EXPECT_EQ(session_of_the_turn, std::filesystem::path());

    const std::string session = (directory / "turn.mixo").string();
    ASSERT_EQ(runProgramWith({"generate", "--model", (directory / "model").string(), "--prompt", "hello",
                              "--max-tokens", "6", "--ignore-eos", "--record", session})
                  .status,
              0);
    const ProgramResult shown = runProgramWith({session});  // the word open may be left out
    EXPECT_EQ(shown.status, 0) << shown.err;
    EXPECT_EQ(shown.err, "");
}

}  // namespace
}  // namespace mixoscope

#endif
