#include "views/models/share_table_model.h"

#include <QPainter>
#include <algorithm>
#include <cmath>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {

namespace {

/// A NaN equals itself here: rows without a value are no news.
bool same(double a, double b) {
    return a == b || (std::isnan(a) && std::isnan(b));
}

bool sameRow(const ShareRow& a, const ShareRow& b) {
    return a.name == b.name && a.part == b.part && a.whole == b.whole && same(a.share, b.share) &&
           same(a.chance, b.chance) && same(a.other, b.other) && a.expert == b.expert && a.tip == b.tip;
}

}  // namespace

ShareTableModel::ShareTableModel(const QString& name_title, QObject* parent)
    : QAbstractTableModel(parent), m_name_title(name_title) {}

void ShareTableModel::show(std::vector<ShareRow> rows) {
    if (std::ranges::equal(rows, m_rows, sameRow)) return;
    const bool reset = rows.size() != m_rows.size();
    if (reset) beginResetModel();
    m_rows = std::move(rows);
    m_scale = 0.0;
    for (const ShareRow& row : m_rows) {
        for (const double value : {row.share, row.chance, row.other}) {
            if (!std::isnan(value)) m_scale = std::max(m_scale, value);
        }
    }
    if (m_scale <= 0.0) m_scale = 1.0;
    if (reset) {
        endResetModel();
    } else if (!m_rows.empty()) {
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, kColumns - 1));
    }
}

int ShareTableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int ShareTableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : kColumns;
}

QVariant ShareTableModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const ShareRow& row = m_rows[static_cast<std::size_t>(index.row())];
    switch (role) {
        case Qt::DisplayRole:
            switch (index.column()) {
                case kName:
                    return row.name;
                case kCounts:
                    return row.whole == 0 ? format::kAbsent
                                          : tr("%1 of %2").arg(format::count(row.part), format::count(row.whole));
                case kShare:
                    return format::probability(row.share);
                case kOther:
                    return format::probability(row.other);
                case kChance:
                    return format::probability(row.chance);
                default:
                    return {};
            }
        case Qt::AccessibleTextRole:
            return index.column() == kBar
                       ? QVariant(
                             tr("%1, chance %2").arg(format::probability(row.share), format::probability(row.chance)))
                       : data(index, Qt::DisplayRole);
        case Qt::TextAlignmentRole:
            return QVariant(Qt::AlignVCenter | (index.column() == kName ? Qt::AlignLeft : Qt::AlignRight));
        case Qt::FontRole:
            return index.column() == kName ? textFont(font_size::kTable) : monoFont(font_size::kCaption);
        case Qt::ForegroundRole:
            return index.column() == kOther    ? QVariant(colours().series[2])
                   : index.column() == kChance ? QVariant(colours().muted_text)
                                               : QVariant();
        case Qt::ToolTipRole:
            return row.tip;
        default:
            return {};
    }
}

QVariant ShareTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant(Qt::AlignVCenter | (section == kName || section == kBar ? Qt::AlignLeft : Qt::AlignRight));
    if (role != Qt::DisplayRole) return {};
    const QString names[] = {m_name_title, tr("Rows"), tr("Share of rows"), {}, tr("Pinned"), tr("Chance")};
    return names[section];
}

void ShareBarDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const {
    const auto* model = qobject_cast<const ShareTableModel*>(index.model());
    if (model == nullptr) return;
    painter->save();
    if ((option.state & QStyle::State_Selected) != 0) painter->fillRect(option.rect, colours().accent_background);
    const ShareRow& row = model->rows()[static_cast<std::size_t>(index.row())];
    const QRectF area = QRectF(option.rect).adjusted(4, 5, -6, -5);
    const auto bar = [&](double value, double top, double height, const QColor& colour) {
        if (std::isnan(value) || value <= 0.0) return;
        const double width = std::max(1.0, value / model->scale() * area.width());
        painter->fillRect(QRectF(area.left(), top, width, height), colour);
    };
    const bool two = !std::isnan(row.other);
    const double height = two ? area.height() / 2.0 - 0.5 : area.height();
    bar(row.share, area.top(), height, colours().accent);
    if (two) bar(row.other, area.bottom() - height, height, colours().series[2]);
    if (!std::isnan(row.chance)) {
        QPen dashed(colours().text, 1.5);
        dashed.setDashPattern({2.0, 1.0});
        painter->setPen(dashed);
        const double x = area.left() + row.chance / model->scale() * area.width();
        painter->drawLine(QPointF(x, option.rect.top() + 2), QPointF(x, option.rect.bottom() - 1));
    }
    painter->restore();
}

}  // namespace mixoscope
