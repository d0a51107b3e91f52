// Bookmarks, notes and loops of a recording, by keys and pointer; bookmarks are in the session file afterwards.
#include <QApplication>
#include <QDockWidget>
#include <QLabel>
#include <QLineEdit>
#include <QMouseEvent>
#include <QPushButton>
#include <QTableView>
#include <QTest>
#include <QToolButton>

#include "sessions/playback.h"
#include "sessions/session_bookmarks.h"
#include "sessions/session_file.h"
#include "support/read_only_directory.h"
#include "support/recorded_session.h"
#include "views/seek_bar.h"
#include "views/status_line.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr TraceShape kShape{3, 4, 16, false};

class BookmarksWindow : public test::WindowTest {
protected:
    void SetUp() override {
        std::filesystem::create_directory(folder);
        test::recordSession(file, kShape, 3, 6);
        ASSERT_NO_FATAL_FAILURE(open(""));
        ASSERT_NO_FATAL_FAILURE(openRecording());
    }
    void openRecording() {
        window->openSession(QString::fromStdString(file.string()));
        ASSERT_TRUE(test::waitFor(
            [this] { return latest()->playback != nullptr && latest()->playback->state != PlaybackState::kReading; }));
        find<SeekBar>(u"seek_bar"_s).setFocus();
    }
    const Playback& playback() const { return *latest()->playback; }
    void goTo(std::int64_t step) {
        SeekBar& bar = find<SeekBar>(u"seek_bar"_s);
        QTest::mouseClick(&bar, Qt::LeftButton, {}, bar.pointOf(step));
        ASSERT_TRUE(test::waitFor([&] { return playback().step == step; })) << playback().step;
        bar.setFocus();
    }
    static void key(Qt::Key code, Qt::KeyboardModifiers modifiers = {}) {
        QTest::keyClick(QApplication::focusWidget(), code, modifiers);
    }
    std::vector<SessionBookmark> kept() const { return sessionBookmarks(SessionReader(file)); }
    std::int64_t rowOf(std::int64_t step) const { return playback().index->rowsAt(step); }
    QTableView& table() { return find<QTableView>(u"bookmarks_table"_s); }
    QString cell(int row, int column) { return table().model()->index(row, column).data().toString(); }

    std::filesystem::path folder = directory.path() / "recordings";
    std::filesystem::path file = folder / "a.mixo";
};

TEST_F(BookmarksWindow, MarkPlacesAndFindThemAgain) {
    ASSERT_NO_FATAL_FAILURE(goTo(3));
    key(Qt::Key_B);
    ASSERT_NO_FATAL_FAILURE(goTo(6));
    key(Qt::Key_B);
    const std::vector<SessionBookmark> both{{.row = rowOf(3)}, {.row = rowOf(6)}};
    ASSERT_TRUE(test::waitFor([&] { return kept() == both; }));
    EXPECT_FALSE(find<QDockWidget>(u"dock_bookmarks"_s).isVisible()) << "the panels stay where they are";

    // A second time it writes a note.
    key(Qt::Key_B);
    EXPECT_TRUE(find<QDockWidget>(u"dock_bookmarks"_s).isVisible());
    ASSERT_NE(qobject_cast<QLineEdit*>(QApplication::focusWidget()), nullptr);
    type(u"here it turns"_s);
    key(Qt::Key_Return);
    ASSERT_TRUE(test::waitFor([&] { return kept().back().note == "here it turns"; }));
    EXPECT_EQ(cell(1, 2), u"here it turns"_s);
    keepPicture(u"recording-bookmarks"_s);

    find<SeekBar>(u"seek_bar"_s).setFocus();
    ASSERT_NO_FATAL_FAILURE(goTo(5));
    const auto press = [&](Qt::Key code, std::int64_t step) {
        key(code, Qt::ShiftModifier);
        ASSERT_TRUE(test::waitFor([&] { return playback().step == step; })) << playback().step;
    };
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_J, 3));
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_J, 3));  // there is none before
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_K, 6));
    ASSERT_NO_FATAL_FAILURE(press(Qt::Key_K, 6));
    table().setFocus();
    table().setCurrentIndex(table().model()->index(0, 0));
    key(Qt::Key_Return);
    ASSERT_TRUE(test::waitFor([&] { return playback().step == 3; }));

    // Deleted, brought back, deleted.
    table().setCurrentIndex(table().model()->index(1, 0));
    key(Qt::Key_Delete);
    ASSERT_TRUE(test::waitFor([&] { return kept().size() == 1; }));
    key(Qt::Key_Z, Qt::ControlModifier);
    ASSERT_TRUE(test::waitFor([&] { return kept().size() == 2; }));
    EXPECT_EQ(kept().back().note, "here it turns");
    table().setCurrentIndex(table().model()->index(0, 0));
    QTest::mouseClick(&find<QPushButton>(u"bookmark_remove"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([&] { return kept().size() == 1; }));

    // They are there again when the file is opened again, and the live chat has none.
    window->leaveRecording();
    EXPECT_EQ(table().model()->rowCount(), 0);
    EXPECT_TRUE(test::waitFor([&] { return !find<QPushButton>(u"bookmark_add"_s).isEnabled(); }));
    ASSERT_NO_FATAL_FAILURE(openRecording());
    ASSERT_TRUE(test::waitFor([&] { return table().model()->rowCount() == 1; }));
    EXPECT_EQ(cell(0, 2), u"here it turns"_s);
}

TEST_F(BookmarksWindow, WhatCannotBeWrittenIsSaidAndTakenBack) {
    using std::filesystem::perms;
    std::filesystem::permissions(directory.path(), perms::group_exec | perms::others_exec,
                                 std::filesystem::perm_options::add);  // whoever may not write may look
    const test::ReadOnlyDirectory read_only(folder);
    ASSERT_NO_FATAL_FAILURE(goTo(3));
    key(Qt::Key_B);
    const auto status = [&] { return find<StatusPart>(u"status_state"_s).toolTip(); };
    ASSERT_TRUE(test::waitFor([&] { return status().contains(u"read-only"_s); })) << status().toStdString();
    EXPECT_TRUE(status().contains(u"a.mixo"_s));
    EXPECT_EQ(table().model()->rowCount(), 0);
}

TEST_F(BookmarksWindow, ARangeIsPlayedAgainAndAgain) {
    const auto loop = [&](std::int64_t first, std::int64_t last) {
        return test::waitFor([&] { return playback().loop == PlaybackLoop{.first = first, .last = last}; });
    };
    auto& button = find<QToolButton>(u"transport_loop"_s);
    ASSERT_NO_FATAL_FAILURE(goTo(6));
    key(Qt::Key_L);
    EXPECT_TRUE(button.toolTip().contains(u"The loop begins"_s));
    ASSERT_NO_FATAL_FAILURE(goTo(3));
    key(Qt::Key_L);
    ASSERT_TRUE(loop(3, 6)) << "whichever end comes first";
    EXPECT_TRUE(button.isChecked());
    keepPicture(u"recording-loop"_s);
    ASSERT_NO_FATAL_FAILURE(goTo(playback().index->count()));
    key(Qt::Key_Space);
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(test::waitFor([&] { return playback().step == 3; })) << playback().step;
        ASSERT_TRUE(test::waitFor([&] { return playback().step == 6; })) << playback().step;
    }
    key(Qt::Key_Space);
    ASSERT_TRUE(test::waitFor([&] { return playback().state == PlaybackState::kPaused; }));
    key(Qt::Key_L);
    ASSERT_TRUE(loop(0, 0));
    EXPECT_FALSE(button.isChecked());

    SeekBar& bar = find<SeekBar>(u"seek_bar"_s);
    QTest::mousePress(&bar, Qt::LeftButton, Qt::ShiftModifier, bar.pointOf(5));
    QMouseEvent move(QEvent::MouseMove, bar.pointOf(2), bar.mapToGlobal(bar.pointOf(2)), Qt::NoButton, Qt::LeftButton,
                     Qt::ShiftModifier);
    QApplication::sendEvent(&bar, &move);
    QTest::mouseRelease(&bar, Qt::LeftButton, Qt::ShiftModifier, bar.pointOf(2));
    ASSERT_TRUE(loop(2, 5));
    QTest::mouseClick(&button, Qt::LeftButton);
    ASSERT_TRUE(loop(0, 0));
    // Another recording begins without one.
    key(Qt::Key_L);
    ASSERT_NO_FATAL_FAILURE(openRecording());
    EXPECT_TRUE(test::waitFor([&] { return !button.isChecked(); }));
}

}  // namespace
}  // namespace mixoscope
