#include "views/models/heatmap_table_model.h"

#include <cassert>

#include "views/format.h"

namespace mixoscope {

void HeatmapTableModel::show(HeatmapData data, QStringList row_names, QStringList column_names) {
    assert(row_names.size() == data.rows && column_names.size() == data.columns);
    beginResetModel();
    m_data = std::move(data);
    m_row_names = std::move(row_names);
    m_column_names = std::move(column_names);
    endResetModel();
}

int HeatmapTableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : m_data.rows;
}

int HeatmapTableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : m_data.columns;
}

QVariant HeatmapTableModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    if (role == Qt::TextAlignmentRole) return QVariant(Qt::AlignRight | Qt::AlignVCenter);
    if (role != Qt::DisplayRole) return {};
    return format::probability(m_data.at(index.row(), index.column()));
}

QVariant HeatmapTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (role != Qt::DisplayRole) return {};
    const QStringList& names = orientation == Qt::Horizontal ? m_column_names : m_row_names;
    return section >= 0 && section < names.size() ? QVariant(names[section]) : QVariant();
}

}  // namespace mixoscope
