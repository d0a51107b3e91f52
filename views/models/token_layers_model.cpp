#include "views/models/token_layers_model.h"

#include <algorithm>
#include <cmath>

#include "views/format.h"
#include "views/heatmap_data.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

}  // namespace

void TokenLayersModel::show(const History& history, std::int32_t position, std::vector<std::int32_t> layer_names) {
    const bool routed = hasRouting(history, position);
    const int layers = routed ? history.shape().moe_layers : 0;
    const TokenId id = routed ? history.token(position).trace.id : -1;
    const Step step = routed ? history.token(position).step : -1;
    // A token's routing never changes: the same token again (a new frame) is no news.
    if (routed && position == m_position && id == m_id && step == m_step && layers == rowCount()) return;
    const bool reset = layers != rowCount();
    if (reset) beginResetModel();
    m_position = routed ? position : -1;
    m_id = id;
    m_step = step;
    m_layer_names = std::move(layer_names);
    m_rows.assign(static_cast<std::size_t>(layers), {});
    for (int layer = 0; layer < layers; ++layer) {
        Row& row = m_rows[static_cast<std::size_t>(layer)];
        row.facts = history.router(position, layer);
        const auto experts = history.experts(position, layer);
        const auto weights = history.weights(position, layer);
        for (std::size_t slot = 0; slot < experts.size(); ++slot) {
            if (experts[slot] >= 0) row.segments.push_back({experts[slot], weights[slot]});
        }
    }
    if (reset) {
        endResetModel();
    } else if (layers > 0) {
        Q_EMIT dataChanged(index(0, 0), index(layers - 1, kColumns - 1));
        Q_EMIT headerDataChanged(Qt::Horizontal, kExperts, kExperts);
    }
}

bool TokenLayersModel::isUnweighted() const {
    return std::ranges::any_of(
        m_rows, [](const Row& row) { return !row.segments.empty() && std::isnan(row.segments.front().weight); });
}

QString TokenLayersModel::layerName(int row) const {
    const auto index = static_cast<std::size_t>(row);
    return QString::number(index < m_layer_names.size() ? m_layer_names[index] : row);
}

int TokenLayersModel::ties() const {
    int ties = 0;
    for (const Row& row : m_rows) ties += (row.facts.flags & layer_flag::kTie) != 0 ? 1 : 0;
    return ties;
}

double TokenLayersModel::meanEntropy() const {
    double sum = 0.0;
    for (const Row& row : m_rows) sum += row.facts.entropy;
    return sum / static_cast<double>(m_rows.size());
}

int TokenLayersModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int TokenLayersModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : kColumns;
}

QString TokenLayersModel::text(const Row& row, int column) {
    switch (column) {
        case kExperts: {
            QStringList parts;
            for (const Segment& segment : row.segments) {
                const QString expert = QString::number(segment.expert);
                parts << (std::isnan(segment.weight) ? expert
                                                     : u"%1: %2"_s.arg(expert, format::probability(segment.weight)));
            }
            return parts.join(u", "_s);
        }
        case kNext:
            return row.facts.next_expert < 0 ? format::kAbsent : QString::number(row.facts.next_expert);
        case kMargin:
            return format::probability(row.facts.margin());
        case kEntropy:
            return format::entropy(row.facts.entropy);
        case kTie: {
            const auto k = row.segments.size();
            return (row.facts.flags & layer_flag::kTie) != 0 ? u"%1=%2"_s.arg(k).arg(k + 1) : QString();
        }
        default:
            return {};
    }
}

QVariant TokenLayersModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const Row& row = m_rows[static_cast<std::size_t>(index.row())];
    if (role == Qt::DisplayRole) return index.column() == kLayer ? layerName(index.row()) : text(row, index.column());
    if (role == Qt::TextAlignmentRole) {
        const bool left = index.column() == kExperts || index.column() == kTie;
        return QVariant(Qt::AlignVCenter | (left ? Qt::AlignLeft : Qt::AlignRight));
    }
    if (role == Qt::FontRole) return monoFont(font_size::kCaption);
    if (role == Qt::ToolTipRole) {
        if (index.column() == kTie && !text(row, kTie).isEmpty()) {
            return tr("These ranks have equal probability: the lower expert id won");
        }
        if (index.column() == kExperts) return tr("Layer %1: %2").arg(layerName(index.row()), text(row, kExperts));
        if (index.column() == kMargin && row.facts.next_expert >= 0) {
            return tr("p of the last chosen minus p of expert %1, the first not chosen").arg(row.facts.next_expert);
        }
    }
    return {};
}

QVariant TokenLayersModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole) {
        return QVariant(Qt::AlignVCenter | (section == kExperts || section == kTie ? Qt::AlignLeft : Qt::AlignRight));
    }
    if (role != Qt::DisplayRole) return {};
    switch (section) {
        case kLayer:
            return tr("Layer");
        case kExperts:
            return isUnweighted() ? tr("Chosen experts") : tr("Chosen experts, by weight");
        case kNext:
            return tr("Next");
        case kMargin:
            return tr("Margin");
        case kEntropy:
            return tr("Entropy");
        case kTie:
            return tr("Tie");
        default:
            return {};
    }
}

}  // namespace mixoscope
