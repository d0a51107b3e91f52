// What each expert did for a token, painted: layers × ranks, coloured by the change of the token's log-probability
// without the expert.
#pragma once

#include <QWidget>
#include <memory>
#include <vector>

#include "sessions/comparison_snapshot.h"
#include "views/exportable_view.h"
#include "views/selection.h"

namespace mixoscope {

/// A cell that has an expert.
struct AttributionCell {
    std::int32_t layer = 0;  // trace layer
    std::int32_t slot = 0;   // rank, from 0
    std::int32_t expert = 0;
    double change = 0.0;  // NaN: not computed
};
std::vector<AttributionCell> attributionCells(const AttributionSnapshot& attribution);
/// A round number that no change exceeds: the map goes from −scale to +scale. 1 while nothing is computed.
double attributionScale(const AttributionSnapshot& attribution);

/// A change with its sign: "−1.234", "+5.8e−4".
QString attributionText(double change);

class AttributionMap : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit AttributionMap(Selection& selection, QWidget* parent = nullptr);

    /// `token`: its text; `layers`: the model's numbers of the MoE layers; `reason`: why there is nothing to show.
    void setAttribution(const std::shared_ptr<const AttributionSnapshot>& attribution, const QString& token,
                        const std::vector<std::int32_t>& layers);
    const std::shared_ptr<const AttributionSnapshot>& attribution() const { return m_attribution; }
    QRectF cellRect(std::int32_t layer, std::int32_t slot) const;

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    /// As attribution.csv of a session.
    QString csv() const override;
    /// What the columns are, and what the cells hold at their size.
    QString axisTitle() const;
    QSize minimumSizeHint() const override { return {220, 140}; }
    QSize sizeHint() const override { return {420, 320}; }

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    bool isEmpty() const { return m_cells.empty(); }
    QRectF plot() const;
    const AttributionCell* cellAt(QPointF point) const;
    const AttributionCell* selectedCell() const;
    const AttributionCell* cellOf(std::int32_t layer, std::int32_t slot) const;
    void select(const AttributionCell* cell);
    QString layerName(std::int32_t layer) const;
    QString describe(const AttributionCell& cell) const;
    void describeSelected();
    void paintHeadline(QPainter& painter) const;
    void paintCells(QPainter& painter) const;
    bool idsFit() const;
    bool valuesFit() const;
    void paintCell(QPainter& painter, const AttributionCell& cell, bool with_values) const;
    void paintAxes(QPainter& painter) const;
    void paintColourBar(QPainter& painter) const;

    Selection& m_selection;
    std::shared_ptr<const AttributionSnapshot> m_attribution;
    std::vector<AttributionCell> m_cells;
    double m_scale = 1.0;
    double m_right = 0.0;  // beside the cells
    QString m_token;
    std::vector<std::int32_t> m_layers;
    std::int32_t m_cursor_layer = 0;
    std::int32_t m_cursor_slot = 0;
};

}  // namespace mixoscope
