// The painted part of the routing heatmap: cells, axes, phase bands, rows per expert, colour bar, cursor.
#pragma once

#include <QImage>
#include <QWidget>

#include "views/bridge.h"
#include "views/heatmap_data.h"
#include "views/heatmap_image.h"
#include "views/phase_runs.h"
#include "views/selection.h"
#include "views/token_axis.h"
#include "views/token_cursor.h"

namespace mixoscope {

/// Which rows Layer × expert covers.
enum class LayerExpertScope : std::uint8_t { kToken, kRange, kAll };

/// Where the parts of the canvas lie, in logical pixels.
struct HeatmapLayout {
    QRectF plot;
    QRectF bands;   // above the plot; empty in Layer × expert
    QRectF counts;  // rows per expert; empty if there is no room
    QRectF colour_bar;
    static HeatmapLayout of(const QSizeF& size, Projection projection);
};

class HeatmapCanvas : public QWidget {
    Q_OBJECT

public:
    explicit HeatmapCanvas(Selection& selection, QWidget* parent = nullptr);

    void setSnapshot(const SnapshotPointer& snapshot);
    void setProjection(Projection projection);
    void setValue(HeatmapValue value);
    void setScope(LayerExpertScope scope);
    void setFollow(bool follow);
    /// Colours of entropy, margin and top-1 probability: viridis or cividis.
    void setDenseMap(ColourMapName map);

    Projection projection() const { return m_projection; }
    HeatmapValue value() const { return m_value; }
    LayerExpertScope scope() const { return m_scope; }
    bool follow() const { return m_axis.follow(); }
    ColourMapName denseMap() const { return m_dense_map; }
    const TokenAxis& axis() const { return m_axis; }
    const HeatmapLayout& layoutRects() const { return m_layout; }
    void resetZoom();
    /// A cell has at least 2 pixels each way: where that is more than the plot is high, a part of the rows is shown.
    std::int32_t rowCount() const;
    std::int32_t topRow() const { return m_top_row; }
    std::int32_t visibleRows() const;
    void setTopRow(std::int32_t row);

    /// A copy of what is visible: for CSV, the table twin and tests.
    HeatmapData visibleData() const;
    const History& history() const;
    const SnapshotPointer& snapshot() const { return m_snapshot; }
    /// Names of a row and a column of visibleData().
    QString rowName(std::int32_t row) const;
    QString columnName(const HeatmapData& data, std::int32_t column) const;
    QString axisTitle(Qt::Orientation orientation) const;
    QString valueName() const;
    /// What a cell says, in lines: its place, its value, what a click does.
    QString describeCell(std::int32_t row, std::int32_t column_key) const;
    /// The cell under a point: row, and token (token projections) or expert; −1 outside.
    std::int32_t rowAt(QPointF point) const;
    std::int32_t keyAt(QPointF point) const;
    /// Layer × expert covers a token that is there, or rows that are there.
    bool isEmpty() const;

    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

Q_SIGNALS:
    void followChanged(bool follow);
    /// Other rows are in sight, or the plot has another height.
    void rowsMoved();
    void contextMenuWanted(QPoint global_position);
    /// An expert was double-clicked, or Enter was pressed on it; it is selected by then.
    void expertOpened();

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    bool hasTokenAxis() const { return m_projection != Projection::kLayerExpert; }
    std::int32_t layerExpertRows() const;
    ColumnSource columnSource() const;
    HeatmapColours cellColours() const;
    void refreshLayout();
    void refreshCells();
    void refreshTokenCells();
    void refreshLayerExpert();
    void describeForAssistiveTools();
    /// A key of cursorStep() along the experts of Layer × expert.
    void stepExpert(std::int32_t by);
    void zoomByKey(double notches);
    void setRowCursor(std::int32_t row);
    std::int32_t rowCursor() const;
    void noteFollow(bool before);
    void paintAxisLabel(QPainter& painter, const QRectF& rect, int flags, const QString& text, bool current) const;

    void paintEmptyState(QPainter& painter) const;
    void paintCells(QPainter& painter) const;
    void paintNumbers(QPainter& painter) const;
    void paintGaps(QPainter& painter) const;
    void paintNextExperts(QPainter& painter) const;
    void paintBands(QPainter& painter) const;
    void paintRange(QPainter& painter) const;
    void paintRowAxis(QPainter& painter) const;
    void paintColumnAxis(QPainter& painter) const;
    void paintCounts(QPainter& painter) const;
    void paintColourBar(QPainter& painter) const;
    void paintCursor(QPainter& painter) const;
    void paintHeadline(QPainter& painter) const;
    double rowHeight() const;
    /// Where all rows would lie: the plot, or more than it.
    QRectF rowsRect() const;
    bool isRowVisible(std::int32_t row) const { return row >= m_top_row && row < m_top_row + visibleRows(); }
    void revealRow(std::int32_t row);
    QRectF cellRect(std::int32_t row, double first_column, double columns) const;

    Selection& m_selection;
    TokenCursor m_cursor;
    SnapshotPointer m_snapshot;
    Projection m_projection = Projection::kExpertToken;
    HeatmapValue m_value = HeatmapValue::kWeight;
    LayerExpertScope m_scope = LayerExpertScope::kToken;
    ColourMapName m_dense_map = ColourMapName::kViridis;

    HeatmapLayout m_layout;
    std::int32_t m_top_row = 0;
    TokenAxis m_axis;
    PhaseRuns m_runs;
    TokenColumns m_columns;
    ExpertCounts m_counts;
    HeatmapColours m_painted_colours;  // of m_image
    std::int32_t m_first_column = 0;   // columns [m_first_column, m_end_column) of m_columns are in m_image
    std::int32_t m_end_column = 0;
    QImage m_image;  // token projections: the ring of m_columns; Layer × expert: one pixel a cell
    HeatmapData m_layer_expert;
    LayerShares m_layer_shares;
};

}  // namespace mixoscope
