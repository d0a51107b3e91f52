#include "views/bookmarks_view.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QPushButton>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

#include "sessions/playback.h"
#include "views/empty_page.h"
#include "views/format.h"
#include "views/models/bookmarks_model.h"
#include "views/notice_bar.h"
#include "views/recording_bookmarks.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

QPushButton* button(const QString& name, const QString& text, const QString& tip, QWidget* parent) {
    auto* made = new QPushButton(text, parent);
    made->setObjectName(name);
    made->setToolTip(tip);
    return made;
}

}  // namespace

BookmarksView::BookmarksView(RecordingBookmarks& bookmarks, QWidget* parent)
    : QWidget(parent),
      m_bookmarks(bookmarks),
      m_model(new BookmarksModel(this)),
      m_pages(new QStackedWidget(this)),
      m_empty(new EmptyPage({}, m_pages)),
      m_table(new QTableView(m_pages)),
      m_notice(new NoticeBar(this)) {
    setObjectName(u"bookmarks_view"_s);
    m_notice->setObjectName(u"bookmarks_notice"_s);
    m_table->setObjectName(u"bookmarks_table"_s);
    m_table->setAccessibleName(tr("Bookmarks"));
    m_table->setModel(m_model);
    m_table->setTabKeyNavigation(false);
    m_table->setShowGrid(false);
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setDefaultSectionSize(25);
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_table->horizontalHeader()->setSectionResizeMode(BookmarksModel::kNote, QHeaderView::Stretch);
    m_pages->addWidget(m_empty);
    m_pages->addWidget(m_table);
    m_add = button(u"bookmark_add"_s, tr("Add"), tr("Mark the place that is shown (B)"), this);
    m_go = button(u"bookmark_go"_s, tr("Go there"), tr("Go to the selected bookmark (Enter, double click)"), this);
    m_note = button(u"bookmark_note"_s, tr("Note"), tr("Write a note on the selected bookmark (F2)"), this);
    m_remove = button(u"bookmark_remove"_s, tr("Delete"), tr("Delete the selected bookmark (Delete)"), this);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(8, 8, 8, 8);
    row->setSpacing(6);
    for (QPushButton* part : {m_add, m_go, m_note, m_remove}) row->addWidget(part);
    row->addStretch(1);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_pages, 1);
    column->addWidget(m_notice);
    column->addLayout(row);
    setFocusProxy(m_table);
    m_table->installEventFilter(this);

    connect(m_add, &QPushButton::clicked, this, &BookmarksView::bookmarkAsked);
    connect(m_go, &QPushButton::clicked, this, &BookmarksView::go);
    connect(m_note, &QPushButton::clicked, this, [this] { editNote(currentRow()); });
    connect(m_remove, &QPushButton::clicked, this, &BookmarksView::removeCurrent);
    connect(m_table, &QTableView::activated, this, &BookmarksView::go);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentChanged, this, &BookmarksView::updateButtons);
    connect(m_notice, &NoticeBar::deedAsked, this, &BookmarksView::undo);
    connect(m_model, &BookmarksModel::noteEdited, this,
            [this](qint64 place, const QString& note) { m_bookmarks.set({.row = place, .note = note.toStdString()}); });
    connect(&m_bookmarks, &RecordingBookmarks::changed, this, &BookmarksView::showBookmarks);
    connect(&m_bookmarks, &RecordingBookmarks::failed, this,
            [this](const QString& message) { m_notice->say(NoticeBar::Kind::kError, message); });
    showBookmarks();
}

void BookmarksView::setSnapshot(const SnapshotPointer& snapshot) {
    const bool playing = snapshot->playback != nullptr;
    m_model->setIndex(playing ? snapshot->playback->index : nullptr);
    if (playing == m_playing) return;
    m_playing = playing;
    m_removed = {};
    m_notice->hide();
    showBookmarks();
}

void BookmarksView::showBookmarks() {
    m_model->show(m_bookmarks.list());
    m_empty->setState({.icon = u"bookmark"_s,
                       .title = m_playing ? tr("No bookmarks yet") : tr("Bookmarks belong to recordings"),
                       .text = m_playing ? tr("Press B to mark the place that is shown.")
                                         : tr("Open a recorded session, then press B to mark a place in it.")});
    m_pages->setCurrentWidget(m_model->rowCount() > 0 ? static_cast<QWidget*>(m_table) : m_empty);
    updateButtons();
}

void BookmarksView::updateButtons() {
    const bool any = currentRow() > 0;
    m_add->setEnabled(m_playing);
    for (QPushButton* part : {m_go, m_note, m_remove}) part->setEnabled(any);
}

std::int64_t BookmarksView::currentRow() const {
    const int row = m_table->currentIndex().row();
    return row < 0 ? 0 : m_model->bookmarks()[static_cast<std::size_t>(row)].row;
}

void BookmarksView::editNote(std::int64_t row) {
    for (int i = 0; i < m_model->rowCount(); ++i) {
        if (m_model->bookmarks()[static_cast<std::size_t>(i)].row != row) continue;
        m_table->setFocus();
        m_table->setCurrentIndex(m_model->index(i, BookmarksModel::kNote));
        m_table->edit(m_table->currentIndex());
    }
}

void BookmarksView::go() {
    if (const std::int64_t row = currentRow(); row > 0) Q_EMIT rowAsked(row);
}

void BookmarksView::removeCurrent() {
    const SessionBookmark* bookmark = m_bookmarks.at(currentRow());
    if (bookmark == nullptr) return;
    m_removed = {bookmark->row, bookmark->note};
    m_bookmarks.remove(bookmark->row);
    m_notice->say(NoticeBar::Kind::kDone, tr("Deleted the bookmark at token %1").arg(format::count(m_removed.first)),
                  tr("Undo"));
}

void BookmarksView::undo() {
    if (m_removed.first == 0) return;
    m_bookmarks.set({.row = m_removed.first, .note = m_removed.second});
    m_removed = {};
    m_notice->hide();
}

bool BookmarksView::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() != QEvent::KeyPress && event->type() != QEvent::ShortcutOverride)
        return QWidget::eventFilter(watched, event);
    const bool press = event->type() == QEvent::KeyPress;
    auto* key = static_cast<QKeyEvent*>(event);
    if (key->matches(QKeySequence::Undo)) {  // the window has an undo of its own on this key
        if (press) undo();
        event->accept();
        return true;
    }
    if (!press) return QWidget::eventFilter(watched, event);
    if (key->matches(QKeySequence::Delete)) {
        removeCurrent();
        return true;
    }
    if (key->key() == Qt::Key_F2) {
        editNote(currentRow());
        return true;
    }
    return QWidget::eventFilter(watched, event);
}

}  // namespace mixoscope
