// The map below a compared lane, painted: cells or bars, axes, colour bar, the figure that sums it up.
#pragma once

#include <QImage>
#include <QWidget>

#include "views/difference_map.h"
#include "views/exportable_view.h"
#include "views/selection.h"

namespace mixoscope {

class DifferenceMapView : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit DifferenceMapView(Selection& selection, QWidget* parent = nullptr);

    /// `letter`: of the lane; `layers`: the model's numbers of the MoE layers.
    void setMap(const DifferenceMap& map, LaneMeasure measure, const QString& letter,
                const std::vector<std::int32_t>& layers);
    const DifferenceMap& map() const { return m_map; }
    const QImage& cells() const { return m_image; }
    QRectF plot() const;
    /// Columns that a token projection can show.
    std::int32_t columnRoom() const;

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    struct Cell {
        std::int32_t row = -1;
        std::int32_t column = -1;
    };
    bool overTokens() const { return m_measure != LaneMeasure::kLoadShare; }
    void renderCells();
    HeatmapColours cellColours() const;
    Cell cellAt(QPointF point) const;
    /// The cell that the shared selection or hover is in; a part of it may be −1.
    Cell cellOf(std::int32_t layer, std::int32_t expert, std::int32_t token) const;
    QString rowName(std::int32_t row) const;
    QString columnName(std::int32_t column) const;
    QString describe(Cell cell) const;
    QString valueText(float value) const;
    void paintHeadline(QPainter& painter) const;
    void paintCells(QPainter& painter) const;
    void paintBars(QPainter& painter) const;
    void paintAxes(QPainter& painter) const;
    void paintColourBar(QPainter& painter) const;
    void paintCursor(QPainter& painter) const;

    Selection& m_selection;
    DifferenceMap m_map;
    LaneMeasure m_measure = LaneMeasure::kLoadShare;
    QString m_letter;
    std::vector<std::int32_t> m_layers;
    QImage m_image;  // one pixel a cell
};

}  // namespace mixoscope
