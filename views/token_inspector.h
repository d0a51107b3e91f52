// Everything about one token: its text and place, its experts in every layer, and one layer in detail.
#pragma once

#include <QStyledItemDelegate>
#include <QWidget>

#include "views/bridge.h"
#include "views/exportable_view.h"
#include "views/heatmap_data.h"
#include "views/models/token_layers_model.h"
#include "views/selection.h"

class QHBoxLayout;
class QLabel;
class QStackedWidget;
class QTableView;

namespace mixoscope {

/// Paints a layer's chosen experts as segments as wide as their weight, with the id where it fits.
class ExpertSegmentsDelegate : public QStyledItemDelegate {
    Q_OBJECT

public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

/// Ranks 1 … k of one layer as bars; below a dashed line rank k + 1, which was not chosen.
class LayerDetail : public QWidget {
    Q_OBJECT

public:
    struct Rank {
        int expert = -1;
        double weight = 0.0;
        double probability = 0.0;  // NaN: unknown
        std::int64_t rows = -1;    // that chose this expert in this layer, −1 unknown
    };
    explicit LayerDetail(QWidget* parent = nullptr);
    void show(const QString& layer_name, const RouterFacts& facts, std::vector<Rank> chosen, const Rank& next);
    const std::vector<Rank>& ranks() const { return m_chosen; }
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    void paintRank(QPainter& painter, double y, int rank, const Rank& values, bool chosen) const;

    QString m_layer_name;
    RouterFacts m_facts;
    std::vector<Rank> m_chosen;
    Rank m_next;
};

class TokenInspector : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit TokenInspector(Selection& selection, QWidget* parent = nullptr);
    void setSnapshot(const SnapshotPointer& snapshot);
    /// Offers what can be asked of the token as a button and in the context menu.
    void addTokenAction(QAction& action);
    TokenLayersModel& model() { return *m_model; }
    LayerDetail& detail() { return *m_detail; }

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;

protected:
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    QWidget* makeHeader();
    void refresh();
    void refreshHeader(const History& history, std::int32_t position);
    void refreshDetail(const History& history);
    void selectLayerRow();

    Selection& m_selection;
    SnapshotPointer m_snapshot;
    TokenLayersModel* m_model;
    ExpertCounts m_counts;
    QStackedWidget* m_pages;
    QTableView* m_table;
    LayerDetail* m_detail;
    QLabel* m_token;
    QLabel* m_place;
    QLabel* m_phase;
    QLabel* m_facts;
    QHBoxLayout* m_buttons;  // what can be asked of the token
};

}  // namespace mixoscope
