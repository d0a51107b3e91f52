// The session library in the window: what is being recorded stays, what was deleted comes back, and two windows over
// one folder do each other no harm.
#include <QAction>
#include <QApplication>
#include <QDockWidget>
#include <QFileDialog>
#include <QFileInfo>
#include <QFrame>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QPushButton>
#include <QTest>
#include <QTimer>

#include "sessions/playback.h"
#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "support/recorded_session.h"
#include "views/composer.h"
#include "views/models/session_list_model.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

/// A window and its list of sessions.
class Library {
public:
    explicit Library(MainWindow& window) : m_window(window) { window.showPanel(u"sessions"_s); }
    QWidget& panel() { return *m_window.findChild<QWidget*>(u"session_library"_s); }
    QListView& list() { return *panel().findChild<QListView*>(u"session_files"_s); }
    QAction& deed(const QString& name) { return *panel().findChild<QAction*>(u"session_"_s + name); }
    QString notice() {
        auto* bar = panel().findChild<QFrame*>(u"session_notice"_s);
        return bar->isVisible() ? bar->findChild<QLabel*>(u"notice_text"_s)->text() : QString();
    }
    QModelIndex row(const QString& file) {
        const auto found =
            list().model()->match(list().model()->index(0, 0), SessionListModel::kFileRole, file, 1, Qt::MatchExactly);
        return found.isEmpty() ? QModelIndex() : found.first();
    }
    bool waitForListed(const QString& file, bool listed = true) {
        return test::waitFor([&] { return row(file).isValid() == listed; });
    }
    void select(const QString& file) {
        m_window.activateWindow();
        list().scrollTo(row(file));
        QTest::mouseClick(list().viewport(), Qt::LeftButton, {}, list().visualRect(row(file)).center());
        list().setFocus();
    }

private:
    MainWindow& m_window;
};

class SessionLibraryWindow : public test::WindowTest {
protected:
    QString ask(const QString& question) {
        find<Composer>(u"composer"_s).setFocus();
        type(question);
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
        EXPECT_TRUE(test::waitFor([&] {
            return latest()->state == WorkbenchState::kReady && !latest()->lanes.empty() &&
                   !latest()->lanes.front().turns.empty() && turn().stop_reason != StopReason::kNone;
        }));
        EXPECT_TRUE(workbench->flush());
        return QString::fromStdString(latest()->recorder.file.string());
    }
};

TEST_F(SessionLibraryWindow, TheLiveSessionStaysAndAnEarlierOneCanGoAndComeBack) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    const QString file = ask(u"What is 2 + 3? /no_think"_s);
    Library library(*window);
    ASSERT_TRUE(library.waitForListed(file));
    library.select(file);
    EXPECT_TRUE(library.row(file).data(SessionListModel::kRecordingRole).toBool());
    EXPECT_FALSE(library.deed(u"delete"_s).isEnabled());
    EXPECT_TRUE(library.deed(u"delete"_s).toolTip().contains(u"being recorded"_s));
    keepPicture(u"library-live"_s);

    QTest::keyClick(window.get(), Qt::Key_N, Qt::ControlModifier);
    ASSERT_TRUE(test::waitFor([&] { return library.deed(u"delete"_s).isEnabled(); }));
    library.select(file);
    QTest::keyClick(&library.list(), Qt::Key_Delete);
    ASSERT_TRUE(library.waitForListed(file, false));
    EXPECT_TRUE(library.notice().startsWith(u"Deleted “What is 2 + 3?"_s)) << library.notice().toStdString();
    keepPicture(u"library-deleted"_s);
    // The window's own undo is not meant while the list has the focus.
    library.list().setFocus();
    QTest::keyClick(&library.list(), Qt::Key_Z, Qt::ControlModifier);
    ASSERT_TRUE(library.waitForListed(file));

    // A session that is played can be compacted and deleted: the recording goes on.
    setSessionTags(file.toStdString(), {std::string(200'000, 'x')});
    setSessionTags(file.toStdString(), {});
    window->openSession(file);
    ASSERT_TRUE(test::waitFor(
        [&] { return latest()->playback != nullptr && latest()->playback->state != PlaybackState::kReading; }));
    library.select(file);
    library.deed(u"compact"_s).trigger();
    ASSERT_TRUE(test::waitFor([&] { return library.notice().startsWith(u"Compacted"_s); }));
    library.deed(u"delete"_s).trigger();
    ASSERT_TRUE(library.waitForListed(file, false));
    QTest::keyClick(window.get(), Qt::Key_Home);
    EXPECT_TRUE(test::waitFor([&] { return latest()->playback->step == 1; }));
    EXPECT_FALSE(latest()->load_error.has_value());
}

TEST_F(SessionLibraryWindow, TwoWindowsOverOneFolder) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    const QString file = ask(u"What is 2 + 3? /no_think"_s);
    WorkbenchOptions options;
    options.demo_directory = test::demoModel();
    options.session_directory = directory.path() / "sessions";
    Workbench other_workbench(options);
    MainWindow other(other_workbench, {.settings_file = u"-"_s, .source = {}, .engine = options});
    other.show();
    Library here(*window);
    Library there(other);
    ASSERT_TRUE(there.waitForListed(file));
    // The other window cannot know that it is being recorded, the file does.
    there.select(file);
    ASSERT_TRUE(there.deed(u"delete"_s).isEnabled());
    there.deed(u"delete"_s).trigger();
    ASSERT_TRUE(test::waitFor([&] { return there.notice().contains(u"being recorded"_s); }));
    EXPECT_TRUE(there.notice().contains(QFileInfo(file).fileName()));
    EXPECT_TRUE(QFileInfo::exists(file));

    // What one has deleted the other lists still, and says so.
    const auto plain = directory.path() / "sessions" / "plain.mixo";
    test::recordSession(plain, TraceShape{3, 4, 16, false}, 1, 6);
    const QString name = QString::fromStdString(plain.string());
    there.select(file);
    there.deed(u"duplicate"_s).trigger();  // lists anew
    here.select(file);
    here.deed(u"duplicate"_s).trigger();
    ASSERT_TRUE(here.waitForListed(name));
    ASSERT_TRUE(there.waitForListed(name));
    here.select(name);
    here.deed(u"delete"_s).trigger();
    ASSERT_TRUE(here.waitForListed(name, false));
    there.select(name);
    there.deed(u"delete"_s).trigger();
    ASSERT_TRUE(test::waitFor([&] { return there.notice().contains(u"plain.mixo"_s); }))
        << there.notice().toStdString();
    EXPECT_TRUE(there.waitForListed(name, false));
    here.list().setFocus();
    QTest::keyClick(&here.list(), Qt::Key_Z, Qt::ControlModifier);
    EXPECT_TRUE(here.waitForListed(name));
    // And the chat of the first window was recorded all the while.
    EXPECT_GT(SessionReader(file.toStdString()).rowCount(), 0);
    window->activateWindow();
    ASSERT_TRUE(QTest::qWaitForWindowActive(window.get()));
    const std::int64_t rows = SessionReader(file.toStdString()).rowCount();
    find<Composer>(u"composer"_s).setFocus();
    type(u"What is 1 + 1? /no_think"_s);
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
    ASSERT_TRUE(test::waitFor([&] {
        return latest()->state == WorkbenchState::kReady && latest()->lanes.front().turns.size() == 2 &&
               turn().stop_reason != StopReason::kNone;
    }));
    EXPECT_TRUE(workbench->flush());
    EXPECT_GT(SessionReader(file.toStdString()).rowCount(), rows);
}

TEST_F(SessionLibraryWindow, ImportsWhatTheFileDialogNames) {
    ASSERT_NO_FATAL_FAILURE(open(""));
    Library library(*window);
    const auto elsewhere = directory.path() / "elsewhere.mixo";
    test::recordSession(elsewhere, TraceShape{3, 4, 16, false}, 1, 6);
    QTimer answer;
    QObject::connect(&answer, &QTimer::timeout, [&] {
        auto* dialog = qobject_cast<QFileDialog*>(QApplication::activeModalWidget());
        if (dialog == nullptr) return;
        answer.stop();
        dialog->findChild<QLineEdit*>(u"fileNameEdit"_s)->setText(QString::fromStdString(elsewhere.string()));
        static_cast<QDialog*>(dialog)->accept();
    });
    answer.start(10);
    QTest::mouseClick(library.panel().findChild<QPushButton*>(u"session_import"_s), Qt::LeftButton);
    const QString copy = QString::fromStdString((directory.path() / "sessions" / "elsewhere.mixo").string());
    ASSERT_TRUE(library.waitForListed(copy));
    EXPECT_TRUE(test::waitFor([&] { return library.list().currentIndex() == library.row(copy); }));
}

}  // namespace
}  // namespace mixoscope
