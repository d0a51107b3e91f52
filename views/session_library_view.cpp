#include "views/session_library_view.h"

#include <QAction>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QMenu>
#include <QMessageBox>
#include <QPushButton>
#include <QVBoxLayout>

#include "views/escape_key.h"
#include "views/format.h"
#include "views/models/session_list_model.h"
#include "views/notice_bar.h"
#include "views/session_delegate.h"
#include "views/session_list_view.h"
#include "views/session_operations.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

SessionLibraryView::SessionLibraryView(QWidget* parent)
    : QWidget(parent),
      m_sessions(new SessionListView(-1, this)),
      m_operations(new SessionOperations(this)),
      m_notice(new NoticeBar(this)) {
    setObjectName(u"session_library"_s);
    setProperty("role", u"panel"_s);
    m_notice->setObjectName(u"session_notice"_s);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(makeSearch());
    m_nothing = new QWidget(this);
    m_nothing_text = new QLabel(m_nothing);
    m_nothing_text->setObjectName(u"session_nothing"_s);
    m_nothing_text->setTextFormat(Qt::PlainText);
    m_nothing_text->setAlignment(Qt::AlignCenter);
    m_nothing_text->setWordWrap(true);
    m_nothing_text->setProperty("role", u"muted"_s);
    auto* clear = new QPushButton(tr("Clear the search"), m_nothing);
    clear->setObjectName(u"session_search_clear"_s);
    auto* nothing = new QVBoxLayout(m_nothing);
    nothing->addStretch(1);
    nothing->addWidget(m_nothing_text);
    nothing->addWidget(clear, 0, Qt::AlignCenter);
    nothing->addStretch(1);
    connect(clear, &QPushButton::clicked, this, [this] {
        m_search->clear();
        m_search->setFocus();
    });
    column->addWidget(m_nothing, 1);
    column->addWidget(m_sessions, 1);
    column->addWidget(m_notice);
    setFocusProxy(&m_sessions->list());
    m_search->installEventFilter(this);
    makeDeeds();
    connectOperations();
    connect(m_sessions, &SessionListView::selectionChanged, this, &SessionLibraryView::updateDeeds);
    search({});
}

QWidget* SessionLibraryView::makeSearch() {
    auto* bar = new QWidget(this);
    m_search = new QLineEdit(bar);
    m_search->setObjectName(u"session_search"_s);
    m_search->setPlaceholderText(tr("Search sessions"));
    m_search->setToolTip(tr("Find sessions by words of their title, tags, model, prompts or file name (Ctrl+F)"));
    m_search->setAccessibleName(tr("Search sessions"));
    m_search->setClearButtonEnabled(true);
    m_search->addAction(themedIcon(u"search"_s), QLineEdit::LeadingPosition);
    m_count = new QLabel(bar);
    m_count->setObjectName(u"session_count"_s);
    m_count->setProperty("role", u"caption"_s);
    auto* take_in = new QPushButton(tr("Import…"), bar);
    take_in->setObjectName(u"session_import"_s);
    take_in->setToolTip(tr("Copy .mixo files from elsewhere into the session folder (Ctrl+I)"));
    auto* row = new QHBoxLayout(bar);
    row->setContentsMargins(8, 8, 8, 8);
    row->setSpacing(8);
    row->addWidget(m_search, 1);
    row->addWidget(m_count);
    row->addWidget(take_in);
    connect(m_search, &QLineEdit::textChanged, this, &SessionLibraryView::search);
    connect(take_in, &QPushButton::clicked, this, &SessionLibraryView::importAsked);
    return bar;
}

QAction* SessionLibraryView::addDeed(const QString& name, const QString& text, const QString& tip,
                                     const QKeySequence& key, const std::function<void()>& act) {
    auto* action = new QAction(text, this);
    action->setObjectName(name);
    action->setShortcut(key);
    action->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    action->setToolTip(tip);
    action->setData(tip);  // the tip while it can be done
    connect(action, &QAction::triggered, this, act);
    addAction(action);
    return action;
}

void SessionLibraryView::makeDeeds() {
    QMenu& menu = m_sessions->menu();
    m_rename = addDeed(u"session_rename"_s, tr("Rename"), tr("Give the session another title"),
                       QKeySequence(Qt::Key_F2), [this] { m_sessions->editTitle(); });
    m_tags = addDeed(u"session_tags"_s, tr("Edit tags"), tr("Give the session tags to find it by"),
                     QKeySequence(u"Shift+F2"_s), [this] { m_sessions->editTags(); });
    m_duplicate =
        addDeed(u"session_duplicate"_s, tr("Duplicate"), tr("Make a copy beside it"), QKeySequence(u"Ctrl+Shift+D"_s),
                [this] { m_operations->duplicate(m_sessions->currentFile(), m_sessions->currentTitle()); });
    m_compact =
        addDeed(u"session_compact"_s, tr("Compact"), tr("Give back the room in the file that nothing uses any more"),
                QKeySequence(u"Ctrl+Shift+C"_s),
                [this] { m_operations->compact(m_sessions->currentFile(), m_sessions->currentTitle()); });
    m_remove = addDeed(u"session_delete"_s, tr("Delete"), tr("Move the session to the trash of the session folder"),
                       QKeySequence::Delete, [this] { remove(); });
    QAction* first = menu.actions().at(3);  // after those that leave the file as it is
    menu.insertSeparator(first);
    menu.insertActions(first, {m_rename, m_tags, m_duplicate, m_compact, m_remove});
    menu.addSeparator();
    QAction* empty = menu.addAction(tr("Empty the trash…"), this, [this] { emptyTrash(); });
    empty->setObjectName(u"session_empty_trash"_s);
    empty->setToolTip(tr("Delete for good what was deleted from the session folder"));
    addDeed(u"session_import_deed"_s, tr("Import…"), tr("Copy .mixo files into the session folder"),
            QKeySequence(u"Ctrl+I"_s), [this] { Q_EMIT importAsked(); });
    addDeed(u"session_find"_s, tr("Search"), tr("Find sessions by their words"), QKeySequence::Find, [this] {
        m_search->setFocus();
        m_search->selectAll();
    });
}

void SessionLibraryView::connectOperations() {
    SessionDelegate& delegate = m_sessions->delegate();
    connect(&delegate, &SessionDelegate::titleEdited, m_operations, &SessionOperations::rename);
    connect(&delegate, &SessionDelegate::tagsEdited, m_operations, &SessionOperations::setTags);
    connect(m_operations, &SessionOperations::stateChanged, this, [this](const QString& file, const QString& state) {
        SessionListModel& model = m_sessions->model();
        model.setState(file, state);
        if (!state.isEmpty() && !model.indexOf(file).isValid()) m_notice->say(NoticeBar::Kind::kBusy, state);
        updateDeeds();
    });
    connect(m_operations, &SessionOperations::done, this, [this](const QString& message, const QString& file) {
        if (!file.isEmpty()) m_sessions->select(file);
        if (message.isEmpty()) return;
        m_notice->say(NoticeBar::Kind::kDone, message,
                      file.isEmpty() && !m_operations->undoTitle().isEmpty() ? tr("Undo") : QString());
    });
    connect(m_operations, &SessionOperations::failed, this,
            [this](const QString& message) { m_notice->say(NoticeBar::Kind::kError, message); });
    connect(m_operations, &SessionOperations::changed, this, &SessionLibraryView::changed);
    connect(m_sessions, &SessionListView::failed, this,
            [this](const QString& message) { m_notice->say(NoticeBar::Kind::kError, message); });
    connect(m_notice, &NoticeBar::deedAsked, this, &SessionLibraryView::undo);
}

void SessionLibraryView::showSessions(std::vector<ListedSession> sessions) {
    m_sessions->showSessions(std::move(sessions));
    showCount();
}

void SessionLibraryView::setRecording(const QStringList& files) {
    m_sessions->model().setRecording(files);
    updateDeeds();
}

void SessionLibraryView::importFiles(const QStringList& files) {
    m_search->clear();  // what comes is to be seen
    for (const QString& file : files) m_operations->importFile(file, m_directory);
}

void SessionLibraryView::search(const QString& text) {
    m_sessions->setSearch(text);
    m_nothing_text->setText(
        tr("Nothing matches “%1”\nTitles, tags, models, prompts and file names were searched.").arg(text.simplified()));
    showCount();
}

void SessionLibraryView::showCount() {
    const int all = m_sessions->count();
    const int shown = m_sessions->shownCount();
    m_search->setVisible(all > 0);
    m_count->setText(all == 0       ? QString()
                     : shown == all ? format::count(all)
                                    : tr("%1 of %2").arg(format::count(shown), format::count(all)));
    m_count->setToolTip(tr("Sessions shown, and in the session folder"));
    m_nothing->setVisible(all > 0 && shown == 0);
    m_sessions->setVisible(all == 0 || shown > 0);
}

void SessionLibraryView::updateDeeds() {
    const ListedSession* session = m_sessions->currentSession();
    const QModelIndex row = m_sessions->list().currentIndex();
    const bool busy = !row.data(SessionListModel::kStateRole).toString().isEmpty();
    const QString none = session == nullptr ? tr("Select a session first")
                         : busy             ? tr("Something is being done with it")
                                            : QString();
    const QString unreadable =
        session != nullptr && session->error.has_value() ? tr("This file cannot be read") : QString();
    const QString recording = row.data(SessionListModel::kRecordingRole).toBool()
                                  ? tr("It is being recorded; begin a new conversation first (Ctrl+N)")
                                  : QString();
    const auto allow = [](QAction* action, std::initializer_list<QString> reasons) {
        QString reason;
        for (const QString& why : reasons) {
            if (reason.isEmpty()) reason = why;
        }
        action->setEnabled(reason.isEmpty());
        const QString key = action->shortcut().toString(QKeySequence::NativeText);
        action->setToolTip(reason.isEmpty() ? tr("%1 (%2)").arg(action->data().toString(), key) : reason);
    };
    allow(m_rename, {none, unreadable});
    allow(m_tags, {none, unreadable});
    allow(m_duplicate, {none, unreadable});
    allow(m_compact, {none, unreadable, recording});
    allow(m_remove, {none, recording});
}

void SessionLibraryView::remove() {
    m_operations->trash(m_sessions->currentFile(), m_sessions->currentTitle());
}

void SessionLibraryView::emptyTrash() {
    const SessionTrash trash = sessionTrash(m_directory.toStdString());
    if (trash.sessions == 0) return m_notice->say(NoticeBar::Kind::kDone, tr("The trash is empty"));
    QMessageBox box(
        QMessageBox::Question, tr("Empty the trash"),
        tr("Delete %1 for good?").arg(trash.sessions == 1 ? tr("one session") : tr("%1 sessions").arg(trash.sessions)),
        QMessageBox::Cancel, this);
    box.setInformativeText(tr("%1 in %2/.trash. This cannot be undone.").arg(format::bytes(trash.bytes), m_directory));
    QPushButton* deed = box.addButton(tr("Delete for good"), QMessageBox::DestructiveRole);
    box.setDefaultButton(QMessageBox::Cancel);
    box.exec();
    if (box.clickedButton() == deed) m_operations->emptyTrash(m_directory);
}

void SessionLibraryView::undo() {
    m_sessions->list().setFocus();  // the button that was pressed goes away
    m_operations->undo();
}

/// The window has an undo of its own on this key: in here it is the list's. A text field takes it before.
bool SessionLibraryView::event(QEvent* event) {
    if (event->type() != QEvent::ShortcutOverride && event->type() != QEvent::KeyPress) return QWidget::event(event);
    if (!static_cast<QKeyEvent*>(event)->matches(QKeySequence::Undo)) return QWidget::event(event);
    if (event->type() == QEvent::KeyPress) undo();
    event->accept();
    return true;
}

bool SessionLibraryView::eventFilter(QObject* watched, QEvent* event) {
    return (watched == m_search && searchKey(*event)) || QWidget::eventFilter(watched, event);
}

bool SessionLibraryView::searchKey(QEvent& event) {
    const bool searching = !m_search->text().isEmpty();
    if (searching && keepsEscape(&event)) return true;
    if (event.type() != QEvent::KeyPress) return false;
    switch (static_cast<QKeyEvent&>(event).key()) {
        case Qt::Key_Escape:
            m_search->clear();
            return searching;
        case Qt::Key_Down:
            m_sessions->list().setFocus();
            if (!m_sessions->list().currentIndex().isValid())
                m_sessions->list().setCurrentIndex(m_sessions->list().model()->index(0, 0));
            return true;
        default:
            return false;
    }
}

}  // namespace mixoscope
