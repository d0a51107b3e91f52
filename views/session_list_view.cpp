#include "views/session_list_view.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QDesktopServices>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QListView>
#include <QMenu>
#include <QPushButton>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>

#include "views/models/session_list_model.h"
#include "views/session_delegate.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

SessionListView::SessionListView(int most, QWidget* parent)
    : QWidget(parent),
      m_most(most),
      m_model(new SessionListModel(this)),
      m_filter(new SessionFilter(this)),
      m_delegate(new SessionDelegate(this)),
      m_list(new QListView(this)),
      m_empty(new QLabel(this)),
      m_menu(new QMenu(this)) {
    setProperty("role", u"panel"_s);
    m_filter->setSourceModel(m_model);
    m_list->setObjectName(u"session_files"_s);
    m_list->setAccessibleName(tr("Recorded sessions"));
    m_list->setModel(m_filter);
    m_list->setItemDelegate(m_delegate);
    m_list->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_list->setResizeMode(QListView::Adjust);
    m_empty->setText(tr("No sessions yet\nEvery conversation is recorded from its first message."));
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setProperty("role", u"muted"_s);
    m_menu->setToolTipsVisible(true);
    m_open = new QPushButton(tr("Open"), this);
    m_export = new QPushButton(tr("Export CSV…"), this);
    m_image = new QPushButton(tr("Image…"), this);
    m_more = new QToolButton(this);
    m_more->setObjectName(u"session_more"_s);
    m_more->setProperty("role", u"menu"_s);
    m_more->setText(tr("More"));
    m_more->setToolTip(tr("Show everything that can be done with the selected session"));
    m_more->setPopupMode(QToolButton::InstantPopup);
    m_more->setMenu(m_menu);
    m_open_deed =
        addDeed(u"session_open"_s, tr("Open"), tr("Play the recording in this window (double click or Enter)"), m_open,
                &SessionListView::openAsked);
    m_export_deed = addDeed(u"session_export"_s, tr("Export CSV…"),
                            tr("Write the session's tokens, routing and settings as CSV files"), m_export,
                            &SessionListView::exportAsked);
    m_image_deed = addDeed(u"session_image"_s, tr("Image…"), tr("Save a picture of the window with this session in it"),
                           m_image, &SessionListView::imageAsked);
    m_menu->addSeparator();
    m_folder_deed = m_menu->addAction(tr("Show in the file manager"), this, &SessionListView::showFolder);
    m_folder_deed->setToolTip(tr("Open the folder that holds the session file"));
    m_copy_deed =
        m_menu->addAction(tr("Copy path"), this, [this] { QApplication::clipboard()->setText(currentFile()); });
    m_copy_deed->setToolTip(tr("Copy the path of the session file"));
    m_own_deeds = m_menu->actions().size();

    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_empty, 1);
    column->addWidget(m_list, 1);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(8, 8, 8, 8);
    row->setSpacing(6);
    for (QWidget* button : std::initializer_list<QWidget*>{m_open, m_export, m_image, m_more}) row->addWidget(button);
    row->addStretch(1);
    column->addLayout(row);

    connect(m_list, &QListView::activated, this, [this] { Q_EMIT openAsked(currentFile()); });
    m_list->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(m_list, &QWidget::customContextMenuRequested, this,
            [this](QPoint position) { m_menu->popup(m_list->viewport()->mapToGlobal(position)); });
    connect(m_list->selectionModel(), &QItemSelectionModel::currentChanged, this, &SessionListView::updateParts);
    showSessions({});
}

QAction* SessionListView::addDeed(const QString& name, const QString& text, const QString& tip, QPushButton* button,
                                  void (SessionListView::*ask)(const QString&)) {
    button->setObjectName(name);
    button->setToolTip(tip);
    connect(button, &QPushButton::clicked, this, [this, ask] { Q_EMIT(this->*ask)(currentFile()); });
    QAction* action = m_menu->addAction(text, button, &QPushButton::click);
    action->setToolTip(tip);
    return action;
}

int SessionListView::count() const {
    return m_model->rowCount();
}

int SessionListView::shownCount() const {
    return m_filter->rowCount();
}

void SessionListView::showSessions(std::vector<ListedSession> sessions) {
    if (m_most >= 0 && sessions.size() > static_cast<std::size_t>(m_most))
        sessions.resize(static_cast<std::size_t>(m_most));
    m_model->showSessions(std::move(sessions));
    followSelection();
    updateParts();
}

void SessionListView::setSearch(const QString& text) {
    m_filter->setSearch(text);
    if (const QModelIndex current = m_list->currentIndex(); current.isValid()) m_list->scrollTo(current);
    updateParts();
}

const ListedSession* SessionListView::currentSession() const {
    const QModelIndex index = m_filter->mapToSource(m_list->currentIndex());
    return index.isValid() ? &m_model->session(index.row()) : nullptr;
}

QString SessionListView::currentFile() const {
    return m_list->currentIndex().data(SessionListModel::kFileRole).toString();
}

QString SessionListView::currentTitle() const {
    return m_list->currentIndex().data(Qt::DisplayRole).toString();
}

void SessionListView::select(const QString& file) {
    m_awaited = file;
    followSelection();
}

void SessionListView::followSelection() {
    if (m_awaited.isEmpty()) return;
    const QModelIndex index = m_filter->mapFromSource(m_model->indexOf(m_awaited));
    if (!index.isValid()) return;
    m_awaited.clear();
    m_list->setCurrentIndex(index);
    m_list->scrollTo(index);
}

void SessionListView::editTitle() {
    m_delegate->setField(SessionDelegate::Field::kTitle);
    m_list->edit(m_list->currentIndex());
}

void SessionListView::editTags() {
    m_delegate->setField(SessionDelegate::Field::kTags);
    m_list->edit(m_list->currentIndex());
}

void SessionListView::showFolder() {
    const QString folder = QFileInfo(currentFile()).absolutePath();
    if (!QDesktopServices::openUrl(QUrl::fromLocalFile(folder)))
        Q_EMIT failed(tr("No file manager could be started.\nThe session is in %1").arg(folder));
}

void SessionListView::updateParts() {
    const ListedSession* session = currentSession();
    const bool readable = session != nullptr && !session->error.has_value();
    // What is wrong with an unreadable one is said in full where it is opened.
    m_open->setEnabled(session != nullptr);
    m_export->setEnabled(readable);
    m_image->setEnabled(readable);
    for (QAction* deed : {m_open_deed, m_folder_deed, m_copy_deed}) deed->setEnabled(session != nullptr);
    m_export_deed->setEnabled(readable);
    m_image_deed->setEnabled(readable);
    const bool any = count() > 0;
    m_empty->setVisible(!any);
    m_list->setVisible(any);
    for (QPushButton* button : {m_open, m_export, m_image}) button->setVisible(any);
    m_more->setVisible(any || m_menu->actions().size() > m_own_deeds);
    Q_EMIT selectionChanged();
}

}  // namespace mixoscope
