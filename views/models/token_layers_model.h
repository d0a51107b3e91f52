// One token's routing, a row a MoE layer: chosen experts by weight, next in rank, margin, entropy, ties.
#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "probes/routing_history.h"

namespace mixoscope {

class TokenLayersModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { kLayer, kExperts, kNext, kMargin, kEntropy, kTie, kColumns };
    struct Segment {
        std::int16_t expert = -1;
        float weight = 0.0F;
    };

    using QAbstractTableModel::QAbstractTableModel;

    /// Shows the token at `position`; −1 or one without routing: no rows. `layer_names`: model layer of each trace
    /// layer.
    void show(const History& history, std::int32_t position, std::vector<std::int32_t> layer_names);
    std::int32_t position() const { return m_position; }
    const std::vector<Segment>& segments(int row) const { return m_rows[static_cast<std::size_t>(row)].segments; }
    const RouterFacts& facts(int row) const { return m_rows[static_cast<std::size_t>(row)].facts; }
    QString layerName(int row) const;
    /// Layers in which the last chosen expert won by its lower id only.
    int ties() const;
    /// Whether the choices have no weights: none were recorded.
    bool isUnweighted() const;
    double meanEntropy() const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    struct Row {
        std::vector<Segment> segments;
        RouterFacts facts;
    };
    static QString text(const Row& row, int column);

    std::vector<Row> m_rows;
    std::vector<std::int32_t> m_layer_names;
    std::int32_t m_position = -1;
    TokenId m_id = -1;
    Step m_step = -1;
};

}  // namespace mixoscope
