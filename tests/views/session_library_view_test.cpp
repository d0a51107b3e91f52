// The session library over real files: what is typed, pressed and clicked in the list is done to the files, off the
// GUI's thread, can be taken back, and what cannot be done is said with the file's name.
#include "views/session_library_view.h"

#include <gtest/gtest.h>

#include <QAbstractButton>
#include <QAction>
#include <QApplication>
#include <QContextMenuEvent>
#include <QFileInfo>
#include <QFrame>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QMenu>
#include <QMessageBox>
#include <QPushButton>
#include <QSignalSpy>
#include <QTest>
#include <QTimer>
#include <fstream>
#include <iterator>

#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "sessions/session_list.h"
#include "support/read_only_directory.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"
#include "views/models/session_list_model.h"
#include "views/session_list_view.h"
#include "views/session_thumbnails.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr TraceShape kShape{3, 4, 16, false};

std::string contentOf(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

class SessionLibraryViewTest : public testing::Test {
protected:
    void SetUp() override {
        std::filesystem::create_directory(folder);
        add("a", "What is 47 + 85?", {});
        add("b", "Apples of Tom", {"paper"});
        add("c", "A very long title that does not fit in one line of the list, whatever its width may be", {});
        view.setDirectory(QString::fromStdString(folder.string()));
        QObject::connect(&view, &SessionLibraryView::changed, &view, [this] { relist(); });
        relist();
        view.resize(420, 500);
        view.show();
        view.activateWindow();
        ASSERT_TRUE(QTest::qWaitForWindowActive(&view));
        files().setFocus();
    }

    void add(const std::string& name, const std::string& title, const std::vector<std::string>& tags) {
        const auto file = folder / (name + ".mixo");
        test::recordSession(file, kShape, 2, 6);
        renameSession(file, title);
        if (!tags.empty()) setSessionTags(file, tags);
        std::filesystem::last_write_time(
            file, std::filesystem::file_time_type::clock::now() - std::chrono::hours(name[0] - 'a' + 1));
    }
    void relist() { view.showSessions(list.list(folder)); }
    QListView& files() { return *view.findChild<QListView*>(u"session_files"_s); }
    QLineEdit& search() { return *view.findChild<QLineEdit*>(u"session_search"_s); }
    QAction& deed(const char* name) { return *view.findChild<QAction*>(u"session_"_s + QString::fromLatin1(name)); }
    QString notice() {
        auto* bar = view.findChild<QFrame*>(u"session_notice"_s);
        return bar->isVisible() ? bar->findChild<QLabel*>(u"notice_text"_s)->text() : QString();
    }
    QPushButton& noticeButton() { return *view.findChild<QPushButton*>(u"notice_deed"_s); }
    std::filesystem::path path(const char* name) const { return folder / (std::string(name) + ".mixo"); }
    void select(const char* name) {
        const QModelIndex index = row(name);
        ASSERT_TRUE(index.isValid()) << name;
        files().scrollTo(index);
        QTest::mouseClick(files().viewport(), Qt::LeftButton, {}, files().visualRect(index).center());
        ASSERT_EQ(files().currentIndex(), index);
    }
    QModelIndex row(const char* name) {
        const auto found = files().model()->match(files().model()->index(0, 0), SessionListModel::kFileRole,
                                                  QString::fromStdString(path(name).string()), 1, Qt::MatchExactly);
        return found.isEmpty() ? QModelIndex() : found.first();
    }
    QStringList shown() {
        QStringList names;
        for (int i = 0; i < files().model()->rowCount(); ++i)
            names << QFileInfo(files().model()->index(i, 0).data(SessionListModel::kFileRole).toString()).baseName();
        return names;
    }
    static bool waitFor(const std::function<bool()>& done) { return QTest::qWaitFor(done, 30'000); }
    void type(const QString& text) { QTest::keyClicks(QApplication::focusWidget(), text); }
    static void key(Qt::Key code, Qt::KeyboardModifiers modifiers = {}) {
        QTest::keyClick(QApplication::focusWidget(), code, modifiers);
    }

    test::TemporaryDirectory directory;
    std::filesystem::path folder = directory / "sessions";
    SessionList list;
    SessionLibraryView view;
};

TEST_F(SessionLibraryViewTest, SearchesLiveInTitleTagsModelPromptAndFile) {
    EXPECT_EQ(shown(), (QStringList{u"a"_s, u"b"_s, u"c"_s})) << "newest first";
    EXPECT_EQ(view.findChild<QLabel*>(u"session_count"_s)->text(), u"3"_s);
    key(Qt::Key_F, Qt::ControlModifier);
    ASSERT_EQ(QApplication::focusWidget(), &search());
    type(u"TOM appl"_s);
    EXPECT_EQ(shown(), QStringList{u"b"_s}) << "every word, in any case";
    EXPECT_EQ(view.findChild<QLabel*>(u"session_count"_s)->text(), u"1 of 3"_s);
    const auto found = [&](const QString& text) {
        search().clear();
        type(text);
        return shown();
    };
    EXPECT_EQ(found(u"paper"_s), QStringList{u"b"_s});
    EXPECT_EQ(found(u"synthetic"_s).size(), 3) << "the model";
    EXPECT_EQ(found(u"second line"_s).size(), 3) << "the prompt";
    EXPECT_EQ(found(u"c.mixo"_s), QStringList{u"c"_s});
    EXPECT_TRUE(found(u"walrus"_s).isEmpty());
    auto* nothing = view.findChild<QLabel*>(u"session_nothing"_s);
    EXPECT_TRUE(nothing->isVisible());
    EXPECT_TRUE(nothing->text().startsWith(u"Nothing matches “walrus”"_s));
    EXPECT_FALSE(files().isVisible());
    key(Qt::Key_Escape);
    EXPECT_EQ(shown().size(), 3);
    EXPECT_FALSE(nothing->isVisible());
    key(Qt::Key_Down);
    EXPECT_EQ(QApplication::focusWidget(), &files());
    EXPECT_TRUE(files().currentIndex().isValid());
}

TEST_F(SessionLibraryViewTest, RenamesInPlace) {
    select("a");
    key(Qt::Key_F2);
    auto* editor = qobject_cast<QLineEdit*>(QApplication::focusWidget());
    ASSERT_NE(editor, nullptr);
    EXPECT_EQ(editor->text(), u"What is 47 + 85?"_s);
    type(u"  Sums "_s);  // in place of the selected text
    key(Qt::Key_Return);
    EXPECT_TRUE(waitFor([&] { return row("a").data().toString() == u"Sums"_s; }));
    EXPECT_EQ(SessionReader(path("a")).metadata("title"), "Sums");
    EXPECT_EQ(shown().first(), u"a"_s) << "in its place";
    EXPECT_EQ(files().currentIndex(), row("a"));
    // Escape changes nothing, and an empty name is refused.
    files().setFocus();
    key(Qt::Key_F2);
    type(u"x"_s);
    key(Qt::Key_Escape);
    files().setFocus();
    key(Qt::Key_F2);
    qobject_cast<QLineEdit*>(QApplication::focusWidget())->selectAll();
    key(Qt::Key_Backspace);
    key(Qt::Key_Return);
    EXPECT_TRUE(waitFor([&] { return notice().contains(u"needs a name"_s); }));
    EXPECT_TRUE(notice().contains(u"a.mixo"_s));
    EXPECT_EQ(SessionReader(path("a")).metadata("title"), "Sums");
}

TEST_F(SessionLibraryViewTest, TagsAreEditedAndFindTheSession) {
    select("a");
    key(Qt::Key_F2, Qt::ShiftModifier);
    type(u"demo,  figure 3 ,demo,"_s);
    key(Qt::Key_Return);
    ASSERT_TRUE(waitFor([&] {
        return row("a").data(SessionListModel::kTagsRole).toStringList() == QStringList{u"demo"_s, u"figure 3"_s};
    }));
    EXPECT_EQ(sessionTags(SessionReader(path("a"))), (std::vector<std::string>{"demo", "figure 3"}));
    EXPECT_GT(files().visualRect(row("a")).height(), files().visualRect(row("c")).height()) << "a line of chips";
    search().setFocus();
    type(u"figure"_s);
    EXPECT_EQ(shown(), QStringList{u"a"_s});
    search().clear();
    select("b");
    key(Qt::Key_F2, Qt::ShiftModifier);
    EXPECT_EQ(qobject_cast<QLineEdit*>(QApplication::focusWidget())->text(), u"paper"_s);
    qobject_cast<QLineEdit*>(QApplication::focusWidget())->selectAll();
    key(Qt::Key_Delete);
    key(Qt::Key_Return);
    EXPECT_TRUE(waitFor([&] { return sessionTags(SessionReader(path("b"))).empty(); }));
}

TEST_F(SessionLibraryViewTest, DeletesAndBringsBackBitForBit) {
    const std::string a = contentOf(path("a"));
    const std::string b = contentOf(path("b"));
    select("a");
    key(Qt::Key_Delete);
    ASSERT_TRUE(waitFor([&] { return shown() == (QStringList{u"b"_s, u"c"_s}); }));
    EXPECT_FALSE(std::filesystem::exists(path("a")));
    EXPECT_EQ(contentOf(folder / ".trash" / "a.mixo"), a);
    EXPECT_EQ(notice(), u"Deleted “What is 47 + 85?”"_s);
    EXPECT_EQ(files().currentIndex(), row("b")) << "the next one is selected";
    EXPECT_EQ(QApplication::focusWidget(), &files());
    key(Qt::Key_Delete);
    ASSERT_TRUE(waitFor([&] { return shown() == QStringList{u"c"_s}; }));
    QTest::mouseClick(&noticeButton(), Qt::LeftButton);
    ASSERT_TRUE(waitFor([&] { return shown() == (QStringList{u"b"_s, u"c"_s}); }));
    EXPECT_EQ(files().currentIndex(), row("b"));
    EXPECT_FALSE(noticeButton().isVisible());
    files().setFocus();
    key(Qt::Key_Z, Qt::ControlModifier);
    ASSERT_TRUE(waitFor([&] { return shown() == (QStringList{u"a"_s, u"b"_s, u"c"_s}); }));
    EXPECT_EQ(contentOf(path("a")), a);
    EXPECT_EQ(contentOf(path("b")), b);
    key(Qt::Key_Z, Qt::ControlModifier);  // nothing left to take back
    QTest::qWait(50);
    EXPECT_EQ(shown().size(), 3);
}

TEST_F(SessionLibraryViewTest, TheTrashIsEmptiedAfterAsking) {
    const auto answer = [&](bool yes) {
        QTimer::singleShot(0, &view, [yes] {
            auto* box = qobject_cast<QMessageBox*>(QApplication::activeModalWidget());
            ASSERT_NE(box, nullptr);
            EXPECT_TRUE(box->text().contains(u"one session"_s));
            for (QAbstractButton* button : box->buttons()) {
                if ((box->buttonRole(button) == QMessageBox::DestructiveRole) == yes) return button->click();
            }
        });
        deed("empty_trash").trigger();
    };
    select("a");
    key(Qt::Key_Delete);
    ASSERT_TRUE(waitFor([&] { return shown().size() == 2; }));
    answer(false);
    EXPECT_EQ(sessionTrash(folder).sessions, 1);
    answer(true);
    ASSERT_TRUE(waitFor([&] { return notice().startsWith(u"Emptied the trash"_s); }));
    EXPECT_EQ(sessionTrash(folder).sessions, 0);
    EXPECT_FALSE(noticeButton().isVisible()) << "there is nothing to bring back";
}

TEST_F(SessionLibraryViewTest, CopiesImportsAndCompacts) {
    select("b");
    key(Qt::Key_D, Qt::ControlModifier | Qt::ShiftModifier);
    EXPECT_EQ(row("b").data(SessionListModel::kStateRole).toString(), u"Copying…"_s) << "at once";
    EXPECT_FALSE(deed("duplicate").isEnabled()) << "while it lasts";
    ASSERT_TRUE(waitFor([&] { return shown().contains(u"b-copy"_s); }));
    EXPECT_EQ(files().currentIndex().data().toString(), u"Apples of Tom (copy)"_s);
    EXPECT_EQ(test::replayed(folder / "b-copy.mixo").size(), test::replayed(path("b")).size());

    test::recordSession(directory / "elsewhere.mixo", kShape, 1, 7);
    std::ofstream(directory / "text.mixo") << "no session";
    search().setText(u"Apples"_s);
    QSignalSpy asked(&view, &SessionLibraryView::importAsked);
    key(Qt::Key_I, Qt::ControlModifier);
    ASSERT_EQ(asked.count(), 1);
    view.importFiles({QString::fromStdString((directory / "elsewhere.mixo").string())});
    ASSERT_TRUE(waitFor([&] { return notice() == u"Imported elsewhere.mixo"_s; }));
    ASSERT_TRUE(waitFor([&] { return files().currentIndex() == row("elsewhere"); })) << "the search is cleared for it";
    view.importFiles({QString::fromStdString((directory / "text.mixo").string())});
    ASSERT_TRUE(waitFor([&] { return notice().contains(u"not a session"_s); }));
    EXPECT_TRUE(notice().contains(u"text.mixo"_s));
    view.importFiles({QString::fromStdString(path("a").string())});
    ASSERT_TRUE(waitFor([&] { return notice().contains(u"already"_s); }));

    setSessionTags(path("c"), {std::string(200'000, 'x')});
    setSessionTags(path("c"), {});
    relist();
    select("c");
    key(Qt::Key_C, Qt::ControlModifier | Qt::ShiftModifier);
    ASSERT_TRUE(waitFor([&] { return notice().startsWith(u"Compacted “A very long"_s); }));
    EXPECT_TRUE(notice().contains(u"KB less, from"_s)) << notice().toStdString();
    deed("compact").trigger();
    ASSERT_TRUE(waitFor([&] { return notice().contains(u"as small as it can be"_s); }));
}

TEST_F(SessionLibraryViewTest, WhatIsBeingRecordedStaysAndSaysWhy) {
    view.setRecording({QString::fromStdString(path("a").string())});
    select("a");
    for (const char* name : {"delete", "compact"}) {
        EXPECT_FALSE(deed(name).isEnabled()) << name;
        EXPECT_TRUE(deed(name).toolTip().contains(u"being recorded"_s)) << deed(name).toolTip().toStdString();
    }
    for (const char* name : {"rename", "tags", "duplicate"}) EXPECT_TRUE(deed(name).isEnabled()) << name;
    key(Qt::Key_Delete);
    QTest::qWait(50);
    EXPECT_TRUE(std::filesystem::exists(path("a")));
    select("b");
    EXPECT_TRUE(deed("delete").isEnabled());

    // By another window: only the file itself says so.
    const auto live = folder / "live.mixo";
    test::RingAndKeeper sink(kShape, 4096);
    Recorder recorder(test::syntheticRecording(live, kShape), sink.ring, sink.ring->makeReader());
    ASSERT_TRUE(recorder.flush());
    relist();
    select("live");
    key(Qt::Key_Delete);
    ASSERT_TRUE(waitFor([&] { return notice().contains(u"being recorded"_s); }));
    EXPECT_TRUE(notice().contains(u"live.mixo"_s));
    EXPECT_TRUE(std::filesystem::exists(live));
}

TEST_F(SessionLibraryViewTest, SaysWhatIsWrongWithTheFile) {
    // Another window was faster.
    select("a");
    std::filesystem::remove(path("a"));
    key(Qt::Key_Delete);
    ASSERT_TRUE(waitFor([&] { return notice().contains(u"a.mixo"_s) && notice().startsWith(u"⚠"_s); }));
    EXPECT_EQ(shown(), (QStringList{u"b"_s, u"c"_s})) << "and the list is right again";

    select("b");
    {
        using std::filesystem::perms;
        std::filesystem::permissions(directory.path(), perms::group_exec | perms::others_exec,
                                     std::filesystem::perm_options::add);  // whoever may not write may look
        const test::ReadOnlyDirectory read_only(folder);
        key(Qt::Key_F2);
        type(u"x"_s);
        key(Qt::Key_Return);
        ASSERT_TRUE(waitFor([&] { return notice().contains(u"read-only"_s); })) << notice().toStdString();
        EXPECT_TRUE(notice().contains(u"b.mixo"_s));
        files().setFocus();
        key(Qt::Key_Delete);
        ASSERT_TRUE(waitFor([&] { return notice().contains(u"cannot be deleted"_s); })) << notice().toStdString();
        EXPECT_FALSE(noticeButton().isVisible());
    }
    EXPECT_EQ(SessionReader(path("b")).metadata("title"), "Apples of Tom");
    // What was deleted is gone from the trash when it is to come back.
    key(Qt::Key_Delete);
    ASSERT_TRUE(waitFor([&] { return shown() == QStringList{u"c"_s}; }));
    std::filesystem::remove(folder / ".trash" / "b.mixo");
    QTest::mouseClick(&noticeButton(), Qt::LeftButton);
    ASSERT_TRUE(waitFor([&] { return notice().contains(u"cannot be brought back"_s); }));
    EXPECT_TRUE(notice().contains(u"b.mixo"_s));
    // An unreadable file can be deleted and nothing else.
    std::ofstream(path("d")) << "no session";
    relist();
    select("d");
    EXPECT_FALSE(deed("rename").isEnabled());
    EXPECT_FALSE(deed("compact").isEnabled());
    key(Qt::Key_Delete);
    EXPECT_TRUE(waitFor([&] { return !row("d").isValid(); }));
}

TEST_F(SessionLibraryViewTest, ThumbnailsAreMadeElsewhereAndShowWhereTheRowsWent) {
    SessionThumbnails thumbnails;
    EXPECT_TRUE(thumbnails.find(list.list(folder).front()).isNull()) << "nobody waits for it";
    ASSERT_TRUE(waitFor([&] { return !row("a").data(Qt::DecorationRole).value<QImage>().isNull(); }));
    const auto picture = row("a").data(Qt::DecorationRole).value<QImage>();
    EXPECT_EQ(picture.size(), QSize(16, 3));
    EXPECT_EQ(picture, thumbnailImage(thumbnailOf(path("a")), false));
    relist();
    EXPECT_FALSE(row("a").data(Qt::DecorationRole).value<QImage>().isNull()) << "kept";
    SessionThumbnail even{.layers = 2, .experts = 4, .rows = 1, .shares = std::vector<float>(8, 0.25F)};
    even.shares[0] = 1.0F;
    even.shares[1] = 0.0F;
    const QImage drawn = thumbnailImage(even, false);
    EXPECT_EQ(drawn.pixel(2, 0), drawn.pixel(3, 1));
    EXPECT_LT(qGray(drawn.pixel(0, 0)), qGray(drawn.pixel(2, 0)));
    EXPECT_LT(qGray(drawn.pixel(2, 0)), qGray(drawn.pixel(1, 0)));
}

TEST_F(SessionLibraryViewTest, ListingAnewKeepsWhatOneIsDoing) {
    select("b");
    key(Qt::Key_F2);
    type(u"half a na"_s);
    add("bb", "One more", {});
    relist();
    auto* editor = qobject_cast<QLineEdit*>(QApplication::focusWidget());
    ASSERT_NE(editor, nullptr);
    EXPECT_EQ(editor->text(), u"half a na"_s);
    type(u"me"_s);
    key(Qt::Key_Return);
    EXPECT_TRUE(waitFor([&] { return row("b").data().toString() == u"half a name"_s; }));
    EXPECT_EQ(files().currentIndex(), row("b"));
    // The menu key offers everything.
    QStringList offered;
    for (const QAction* action : view.sessions().menu().actions()) {
        if (!action->isSeparator()) offered << action->text();
    }
    EXPECT_EQ(offered, (QStringList{u"Open"_s, u"Export CSV…"_s, u"Image…"_s, u"Rename"_s, u"Edit tags"_s,
                                    u"Duplicate"_s, u"Compact"_s, u"Delete"_s, u"Show in the file manager"_s,
                                    u"Copy path"_s, u"Empty the trash…"_s}));
    files().setFocus();
    const QPoint place = files().visualRect(row("b")).center();
    QContextMenuEvent menu(QContextMenuEvent::Keyboard, place, files().viewport()->mapToGlobal(place));
    QApplication::sendEvent(files().viewport(), &menu);
    EXPECT_TRUE(waitFor([&] { return view.sessions().menu().isVisible(); }));
    view.sessions().menu().close();
}

}  // namespace
}  // namespace mixoscope
