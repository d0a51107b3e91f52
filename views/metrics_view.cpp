#include "views/metrics_view.h"

#include <QContextMenuEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QTableView>
#include <QVBoxLayout>
#include <algorithm>

#include "views/elided_label.h"
#include "views/lane_style.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kRow = 38;
constexpr int kColumn = 120;
constexpr int kNllColumn = 196;
constexpr int kLaneColumn = 232;
constexpr int kAroundPolicy = 60;  // marker and letter before it, air behind it
constexpr int kHeader = 38;

/// Value over remark, both to the right; a chip marks the best, a triangle says better or worse.
class MetricDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        const MetricCell& cell = static_cast<const MetricsModel*>(index.model())->cell(index);
        const ThemeColours& theme = colours();
        if ((option.state & QStyle::State_Selected) != 0) painter->fillRect(option.rect, theme.accent_background);
        const QRect room = option.rect.adjusted(4, 3, -10, -3);
        const bool alone = cell.remark.isEmpty();
        painter->setFont(monoFont(font_size::kTable, cell.best ? QFont::Bold : QFont::Normal));
        painter->setPen(cell.best ? theme.good : theme.text);
        const QRect first = alone ? room : QRect(room.left(), room.top(), room.width(), 16);
        painter->drawText(first, Qt::AlignRight | Qt::AlignVCenter, cell.text);
        const int used = painter->fontMetrics().horizontalAdvance(cell.text);
        if (cell.best) paintBest(*painter, first, used);
        if (alone) return;
        painter->setFont(monoFont(font_size::kTick));
        painter->setPen(cell.verdict == Verdict::kBetter  ? theme.good
                        : cell.verdict == Verdict::kWorse ? theme.error
                                                          : theme.muted_text);
        const QString sign = cell.verdict == Verdict::kBetter  ? u" \u25B2"_s
                             : cell.verdict == Verdict::kWorse ? u" \u25BC"_s
                                                               : QString();
        painter->drawText(QRect(room.left(), room.bottom() - 14, room.width(), 15), Qt::AlignRight | Qt::AlignVCenter,
                          cell.remark + sign);
    }

private:
    static void paintBest(QPainter& painter, const QRect& room, int used) {
        painter.setFont(textFont(font_size::kTick));
        const QString text = QObject::tr("best");
        const int wide = painter.fontMetrics().horizontalAdvance(text) + 10;
        const QRectF chip(room.right() - used - wide - 5, room.center().y() - 7, wide, 15);
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(colours().good_background);
        painter.drawRoundedRect(chip, 7, 7);
        painter.setPen(colours().good);
        painter.drawText(chip, Qt::AlignCenter, text);
        painter.restore();
    }
};

/// A lane's marker, letter and policy; stays while the measures scroll sideways.
class LaneRowHeader : public QHeaderView {
public:
    LaneRowHeader(const MetricsModel& model, QWidget* parent) : QHeaderView(Qt::Vertical, parent), m_model(model) {
        setSectionResizeMode(QHeaderView::Fixed);
        setDefaultSectionSize(kRow);
    }

protected:
    void paintSection(QPainter* painter, const QRect& rect, int section) const override {
        const auto at = static_cast<std::size_t>(section);
        if (at >= m_model.table().rows.size()) return;
        const MetricRow& row = m_model.table().rows[at];
        painter->save();
        painter->fillRect(rect, section % 2 == 0 ? colours().base : colours().alternate_row);
        paintLaneMarker(*painter, QPointF(rect.left() + 16, rect.center().y() + 1), 10, row.tag);
        painter->setFont(textFont(font_size::kInterface, QFont::DemiBold));
        painter->setPen(laneColour(row.tag));
        painter->drawText(QRect(rect.left() + 30, rect.top(), 16, rect.height()), Qt::AlignVCenter | Qt::AlignLeft,
                          laneLetter(row.tag));
        painter->setFont(monoFont());
        painter->setPen(colours().text);
        const QRect room = rect.adjusted(48, 0, -6, 0);
        painter->drawText(room, Qt::AlignVCenter | Qt::AlignLeft,
                          painter->fontMetrics().elidedText(row.policy, Qt::ElideRight, room.width()));
        painter->restore();
    }

private:
    const MetricsModel& m_model;
};

}  // namespace

void MetricsModel::setTable(MetricTable table) {
    const bool same = table.rows.size() == m_table.rows.size() && table.columns.size() == m_table.columns.size();
    if (!same) beginResetModel();
    m_table = std::move(table);
    if (!same) {
        endResetModel();
    } else if (!m_table.rows.empty()) {
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, columnCount() - 1));
        Q_EMIT headerDataChanged(Qt::Horizontal, 0, columnCount() - 1);
        Q_EMIT headerDataChanged(Qt::Vertical, 0, rowCount() - 1);
    }
}

const MetricCell& MetricsModel::cell(const QModelIndex& index) const {
    return m_table.rows[static_cast<std::size_t>(index.row())].cells[static_cast<std::size_t>(index.column())];
}

int MetricsModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_table.rows.size());
}

int MetricsModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_table.columns.size());
}

QVariant MetricsModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const MetricCell& shown = cell(index);
    switch (role) {
        case Qt::DisplayRole:
            return shown.text;
        case Qt::ToolTipRole:
            return shown.why;
        case Qt::AccessibleTextRole: {
            QStringList parts{shown.text};
            if (shown.best) parts << tr("best");
            if (!shown.remark.isEmpty()) parts << shown.remark;
            if (shown.verdict != Verdict::kNone)
                parts << (shown.verdict == Verdict::kBetter ? tr("better") : tr("worse"));
            return parts.join(u", "_s);
        }
        case Qt::TextAlignmentRole:
            return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
        default:
            return {};
    }
}

QVariant MetricsModel::headerData(int section, Qt::Orientation orientation, int role) const {
    const auto at = static_cast<std::size_t>(section);
    if (orientation == Qt::Vertical) {
        if (at >= m_table.rows.size()) return {};
        const MetricRow& row = m_table.rows[at];
        return role == Qt::DisplayRole || role == Qt::ToolTipRole ? QVariant(laneLetter(row.tag) + u' ' + row.policy)
                                                                  : QVariant();
    }
    if (at >= m_table.columns.size()) return {};
    const MetricColumn& column = m_table.columns[at];
    if (role == Qt::DisplayRole) return QString(column.title + u'\n' + column.unit);
    if (role == Qt::ToolTipRole) return column.help;
    if (role == Qt::TextAlignmentRole) return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
    return {};
}

MetricsView::MetricsView(QWidget* parent)
    : QWidget(parent),
      m_model(new MetricsModel(this)),
      m_view(new QTableView(this)),
      m_corner(new QLabel(tr("Lane · policy"), m_view)),
      m_source(new ElidedLabel(this)) {
    setObjectName(u"metrics_view"_s);
    m_view->setObjectName(u"metrics_table"_s);
    m_view->setAccessibleName(tr("Metrics of the lanes"));
    m_view->setModel(m_model);
    m_view->setItemDelegate(new MetricDelegate(m_view));
    m_view->setVerticalHeader(new LaneRowHeader(*m_model, m_view));
    m_view->setAlternatingRowColors(true);
    m_view->setShowGrid(false);
    m_view->setCornerButtonEnabled(false);
    m_view->setTabKeyNavigation(false);  // arrows go through the cells, Tab goes on to the next panel
    m_view->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_view->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_view->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_view->setContextMenuPolicy(Qt::NoContextMenu);  // the panel has it
    QHeaderView* header = m_view->horizontalHeader();
    header->setFixedHeight(kHeader);
    header->setDefaultSectionSize(kColumn);
    header->setMinimumSectionSize(56);
    header->setHighlightSections(false);
    m_corner->setProperty("role", u"caption"_s);
    m_corner->setIndent(10);
    m_corner->setAutoFillBackground(true);
    m_corner->setBackgroundRole(QPalette::Base);
    m_source->setObjectName(u"metrics_source"_s);
    m_source->setProperty("role", u"muted"_s);
    m_source->setFont(textFont(font_size::kTable));
    auto* warning = new QLabel(tr("Free-running text is an illustration, not a measurement"), this);
    warning->setObjectName(u"metrics_illustration"_s);
    warning->setProperty("role", u"chip-warning"_s);
    auto* line = new QHBoxLayout;
    line->setContentsMargins(10, 4, 8, 4);
    line->addWidget(m_source, 1);
    line->addWidget(warning);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addLayout(line);
    column->addWidget(m_view, 1);
    m_view->installEventFilter(this);
}

void MetricsView::placeCorner() {
    // Long policies get room, as long as the measures keep most of it.
    int wide = kLaneColumn;
    const QFontMetrics metrics(monoFont());
    for (const MetricRow& row : m_model->table().rows)
        wide = std::max(wide, metrics.horizontalAdvance(row.policy) + kAroundPolicy);
    wide = std::min(wide, std::max(kLaneColumn, width() * 3 / 10));
    m_view->verticalHeader()->setFixedWidth(wide);
    m_corner->setGeometry(m_view->frameWidth(), m_view->frameWidth(), wide, kHeader);
    m_corner->raise();
}

bool MetricsView::eventFilter(QObject* watched, QEvent* event) {
    if (watched == m_view && (event->type() == QEvent::Resize || event->type() == QEvent::Show)) placeCorner();
    return QWidget::eventFilter(watched, event);
}

void MetricsView::setComparison(const std::shared_ptr<const ComparisonSnapshot>& comparison) {
    const int columns_before = m_model->columnCount();
    m_model->setTable(comparison ? metricsOf(*comparison) : MetricTable{});
    const MetricTable& shown = m_model->table();
    if (columns_before == 0 && m_model->columnCount() > 0)
        m_view->horizontalHeader()->resizeSection(static_cast<int>(Metric::kNll), kNllColumn);
    placeCorner();
    m_source->setText(shown.rows.empty()
                          ? tr("Measures of each lane appear here once lanes run")
                          : tr("%1 · Δ to %2 · ▲ better ▼ worse · “best” leaves %2 out where a column compares with it")
                                .arg(shown.source, laneLetter(shown.rows.front().tag)));
    m_source->setToolTip(m_source->text());
}

QString MetricsView::viewName() const {
    return u"metrics"_s;
}

QString MetricsView::viewTitle() const {
    return tr("Metrics of the lanes");
}

QImage MetricsView::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString MetricsView::csv() const {
    return m_model->table().csv();
}

void MetricsView::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

}  // namespace mixoscope
