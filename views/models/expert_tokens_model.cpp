#include "views/models/expert_tokens_model.h"

#include <algorithm>
#include <cmath>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

constexpr std::int32_t kTokensBefore = 5;
constexpr std::int32_t kTokensAfter = 5;

bool same(const ExpertHit& a, const ExpertHit& b) {
    return a.position == b.position && a.rank == b.rank &&
           (a.weight == b.weight || (std::isnan(a.weight) && std::isnan(b.weight)));
}

}  // namespace

void ExpertTokensModel::show(const History& history, const std::vector<ExpertHit>& hits) {
    const bool grows = hits.size() >= m_hits.size() && std::equal(m_hits.begin(), m_hits.end(), hits.begin(), same) &&
                       history.shape() == m_history.shape();
    if (!grows) {
        beginResetModel();
        m_history = history;
        m_hits = hits;
        endResetModel();
        return;
    }
    m_history = history;
    const int before = rowCount();
    if (hits.size() > m_hits.size()) {
        beginInsertRows({}, before, static_cast<int>(hits.size()) - 1);
        m_hits = hits;
        endInsertRows();
    }
    // The tokens that follow the newest of them have come meanwhile.
    if (before > 0)
        Q_EMIT dataChanged(index(std::max(0, before - kTokensAfter), kContext), index(before - 1, kContext));
}

int ExpertTokensModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_hits.size());
}

int ExpertTokensModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : kColumns;
}

QString ExpertTokensModel::text(std::int32_t first, std::int32_t end) const {
    QString joined;
    for (std::int32_t position = std::max(first, 0); position < std::min(end, m_history.tokenCount()); ++position)
        joined += format::tokenText(m_history.token(position).bytes);
    return joined;
}

QVariant ExpertTokensModel::display(const ExpertHit& hit, int column) const {
    switch (column) {
        case kPosition:
            return format::count(hit.position);
        case kContext:
            return tr("%1 [%2] %3")
                .arg(text(hit.position - kTokensBefore, hit.position), text(hit.position, hit.position + 1),
                     text(hit.position + 1, hit.position + 1 + kTokensAfter));
        case kPhase:
            return phaseName(m_history.token(hit.position).trace.phase);
        case kRank:
            return QString::number(hit.rank + 1);
        case kWeight:
            return format::probability(hit.weight);
        default:
            return {};
    }
}

QVariant ExpertTokensModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const ExpertHit& hit = m_hits[static_cast<std::size_t>(index.row())];
    switch (role) {
        case Qt::DisplayRole:
            return display(hit, index.column());
        case kBeforeRole:
            return text(hit.position - kTokensBefore, hit.position);
        case kTokenRole:
            return text(hit.position, hit.position + 1);
        case kAfterRole:
            return text(hit.position + 1, hit.position + 1 + kTokensAfter);
        case kSortRole:
            return index.column() == kWeight    ? QVariant(hit.weight)
                   : index.column() == kRank    ? QVariant(hit.rank)
                   : index.column() == kPhase   ? QVariant(static_cast<int>(m_history.token(hit.position).trace.phase))
                   : index.column() == kContext ? QVariant(text(hit.position, hit.position + 1))
                                                : QVariant(hit.position);
        case Qt::TextAlignmentRole:
            return QVariant(Qt::AlignVCenter |
                            (index.column() == kContext || index.column() == kPhase ? Qt::AlignLeft : Qt::AlignRight));
        case Qt::FontRole:
            return index.column() == kPhase ? textFont(font_size::kCaption) : monoFont(font_size::kCaption);
        case Qt::ForegroundRole:
            return index.column() == kPhase ? QVariant(phaseColour(m_history.token(hit.position).trace.phase))
                                            : QVariant();
        case Qt::ToolTipRole:
            return tr("Position %1, weight %2, rank %3\nClick selects the token")
                .arg(format::count(hit.position), format::probability(hit.weight))
                .arg(hit.rank + 1);
        default:
            return {};
    }
}

QVariant ExpertTokensModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant(Qt::AlignVCenter | (section == kContext || section == kPhase ? Qt::AlignLeft : Qt::AlignRight));
    if (role != Qt::DisplayRole) return {};
    const QString names[] = {tr("Position"), tr("Token in its text"), tr("Phase"), tr("Rank"), tr("Weight")};
    return names[section];
}

}  // namespace mixoscope
