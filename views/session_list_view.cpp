#include "views/session_list_view.h"

#include <QApplication>
#include <QClipboard>
#include <QDateTime>
#include <QDesktopServices>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QListWidget>
#include <QLocale>
#include <QMenu>
#include <QPainter>
#include <QPushButton>
#include <QStyledItemDelegate>
#include <QUrl>
#include <QVBoxLayout>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

enum ItemRole { kFileRole = Qt::UserRole, kSubtitleRole, kDateRole, kSizeRole, kBrokenRole };
constexpr int kRowHeight = 48;

QString dateText(std::int64_t modified_s) {
    const QDateTime time = QDateTime::fromSecsSinceEpoch(modified_s);
    const qint64 days = time.date().daysTo(QDate::currentDate());
    if (days == 0) return QObject::tr("today %1").arg(time.toString(u"HH:mm"_s));
    if (days == 1) return QObject::tr("yesterday");
    return QLocale::c().toString(time.date(), u"d MMM yyyy"_s);
}

class SessionDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override { return {200, kRowHeight}; }

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        const ThemeColours& c = colours();
        const bool selected = (option.state & QStyle::State_Selected) != 0;
        painter->save();
        painter->fillRect(option.rect, selected ? c.accent_background : c.base);
        painter->setPen(c.border);
        painter->drawLine(option.rect.bottomLeft(), option.rect.bottomRight());
        const QRect area = option.rect.adjusted(10, 6, -10, -6);
        const QRect upper(area.left(), area.top(), area.width(), 18);
        const QRect lower(area.left(), area.top() + 18, area.width(), 18);
        const QFont small = textFont(font_size::kTable);
        const auto drawRight = [&](const QRect& row, const QString& text) {
            painter->setFont(small);
            painter->setPen(c.muted_text);
            painter->drawText(row, Qt::AlignRight | Qt::AlignVCenter, text);
            return row.adjusted(0, 0, -painter->fontMetrics().horizontalAdvance(text) - 10, 0);
        };
        const QRect title = drawRight(upper, index.data(kDateRole).toString());
        const QRect subtitle = drawRight(lower, index.data(kSizeRole).toString());
        const bool broken = index.data(kBrokenRole).toBool();
        painter->setFont(textFont(font_size::kInterface, QFont::DemiBold));
        painter->setPen(c.text);
        painter->drawText(
            title, Qt::AlignLeft | Qt::AlignVCenter,
            painter->fontMetrics().elidedText(index.data(Qt::DisplayRole).toString(), Qt::ElideRight, title.width()));
        painter->setFont(small);
        painter->setPen(broken ? c.warning : c.muted_text);
        painter->drawText(
            subtitle, Qt::AlignLeft | Qt::AlignVCenter,
            painter->fontMetrics().elidedText(index.data(kSubtitleRole).toString(), Qt::ElideRight, subtitle.width()));
        painter->restore();
    }
};

}  // namespace

SessionListView::SessionListView(int most, QWidget* parent)
    : QWidget(parent), m_most(most), m_list(new QListWidget(this)), m_empty(new QLabel(this)) {
    setProperty("role", u"panel"_s);
    m_list->setObjectName(u"session_files"_s);
    m_list->setAccessibleName(tr("Recorded sessions"));
    m_list->setItemDelegate(new SessionDelegate(m_list));
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_empty->setText(tr("No sessions yet\nEvery conversation is recorded from its first message."));
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setProperty("role", u"muted"_s);
    m_open = new QPushButton(tr("Open"), this);
    m_open->setToolTip(tr("Play the recording in this window (double click or Enter)"));
    m_open->setObjectName(u"session_open"_s);
    m_export = new QPushButton(tr("Export CSV…"), this);
    m_export->setToolTip(tr("Write the session's tokens, routing and settings as CSV files"));
    m_export->setObjectName(u"session_export"_s);
    m_image = new QPushButton(tr("Image…"), this);
    m_image->setToolTip(tr("Save a picture of the window with this session in it"));
    m_image->setObjectName(u"session_image"_s);
    m_folder = new QPushButton(tr("Folder"), this);
    m_folder->setToolTip(tr("Open the folder that holds the session file"));

    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_empty, 1);
    column->addWidget(m_list, 1);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(8, 8, 8, 8);
    row->setSpacing(6);
    for (QPushButton* button : {m_open, m_export, m_image, m_folder}) row->addWidget(button);
    row->addStretch(1);
    column->addLayout(row);

    connect(m_list, &QListWidget::currentRowChanged, this, &SessionListView::updateButtons);
    connect(m_open, &QPushButton::clicked, this, [this] { Q_EMIT openAsked(currentFile()); });
    connect(m_list, &QListWidget::itemActivated, this, [this] { Q_EMIT openAsked(currentFile()); });
    connect(m_export, &QPushButton::clicked, this, [this] { Q_EMIT exportAsked(currentFile()); });
    connect(m_image, &QPushButton::clicked, this, [this] { Q_EMIT imageAsked(currentFile()); });
    connect(m_folder, &QPushButton::clicked, this, &SessionListView::showFolder);
    m_list->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(m_list, &QListWidget::customContextMenuRequested, this, &SessionListView::showMenu);
    showSessions({});
}

int SessionListView::count() const {
    return m_list->count();
}

void SessionListView::showSessions(const std::vector<SessionInfo>& sessions) {
    const QString current = currentFile();
    m_list->clear();
    for (const SessionInfo& session : sessions) {
        if (m_most >= 0 && m_list->count() >= m_most) break;
        const QString file = QString::fromStdString(session.path.string());
        const QString name = QFileInfo(file).fileName();
        auto* item = new QListWidgetItem(session.title.empty() ? name : format::plainText(session.title), m_list);
        item->setData(kFileRole, file);
        item->setData(kDateRole, dateText(session.modified_s));
        item->setData(kSizeRole, format::bytes(session.bytes));
        item->setData(kBrokenRole, session.error.has_value());
        item->setData(kSubtitleRole,
                      session.error.has_value()
                          ? tr("⚠ %1").arg(format::plainText(session.error->what))
                          : tr("%1 · %2 tokens").arg(format::plainText(session.model), format::count(session.tokens)));
        item->setToolTip(
            session.error.has_value() ? tr("%1\n%2").arg(file, format::plainText(Error(*session.error).what())) : file);
        if (file == current) m_list->setCurrentItem(item);
    }
    m_empty->setVisible(m_list->count() == 0);
    m_list->setVisible(m_list->count() > 0);
    updateButtons();
}

QString SessionListView::currentFile() const {
    const QListWidgetItem* item = m_list->currentItem();
    return item == nullptr ? QString() : item->data(kFileRole).toString();
}

void SessionListView::showFolder() {
    QDesktopServices::openUrl(QUrl::fromLocalFile(QFileInfo(currentFile()).absolutePath()));
}

void SessionListView::copyPath() {
    QApplication::clipboard()->setText(currentFile());
}

void SessionListView::showMenu(QPoint position) {
    if (currentFile().isEmpty()) return;
    QMenu menu(this);
    for (QPushButton* button : {m_open, m_export, m_image, m_folder}) {
        menu.addAction(button->text(), button, &QPushButton::click)->setEnabled(button->isEnabled());
    }
    menu.addAction(tr("Copy path"), this, &SessionListView::copyPath);
    menu.exec(m_list->viewport()->mapToGlobal(position));
}

void SessionListView::updateButtons() {
    const bool chosen = !currentFile().isEmpty();
    const bool readable = chosen && !m_list->currentItem()->data(kBrokenRole).toBool();
    m_open->setEnabled(chosen);  // what is wrong with an unreadable one is said in full there
    m_export->setEnabled(readable);
    m_image->setEnabled(readable);
    m_folder->setEnabled(chosen);
    for (QPushButton* button : {m_open, m_export, m_image, m_folder}) button->setVisible(m_list->count() > 0);
}

}  // namespace mixoscope
