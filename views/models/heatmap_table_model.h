// The heatmap's cells as a table: for readers who need text, and for checking a value without aiming at a pixel.
#pragma once

#include <QAbstractTableModel>
#include <QStringList>

#include "views/heatmap_data.h"

namespace mixoscope {

class HeatmapTableModel : public QAbstractTableModel {
    Q_OBJECT

public:
    using QAbstractTableModel::QAbstractTableModel;

    /// Shows these cells; names must be as many as rows and columns.
    void show(HeatmapData data, QStringList row_names, QStringList column_names);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    HeatmapData m_data;
    QStringList m_row_names;
    QStringList m_column_names;
};

}  // namespace mixoscope
