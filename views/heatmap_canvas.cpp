#include "views/heatmap_canvas.h"

#include <QAccessible>
#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "views/format.h"
#include "views/painting.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kSmallestCell = 2.0;  // logical pixels
constexpr double kRowsOfNotch = 8.0;

std::int32_t slotOfExpert(std::span<const std::int16_t> experts, std::int32_t expert) {
    const auto found = std::find(experts.begin(), experts.end(), expert);
    return found == experts.end() ? -1 : static_cast<std::int32_t>(found - experts.begin());
}

}  // namespace

HeatmapLayout HeatmapLayout::of(const QSizeF& size, Projection projection) {
    constexpr double kLeft = 52.0;
    constexpr double kBarWidth = 12.0;
    constexpr double kBarRoom = 74.0;  // gap, bar, labels
    constexpr double kCountsRoom = 76.0;
    const bool by_layer_and_expert = projection == Projection::kLayerExpert;
    const double top = by_layer_and_expert ? 62.0 : 36.0;
    const double bottom = by_layer_and_expert ? 10.0 : 38.0;
    const bool counts = projection == Projection::kExpertToken && size.width() >= 420.0;
    const double right = kBarRoom + (counts ? kCountsRoom : 0.0);
    HeatmapLayout layout;
    layout.plot =
        QRectF(kLeft, top, std::max(size.width() - kLeft - right, 24.0), std::max(size.height() - top - bottom, 24.0));
    if (!by_layer_and_expert) layout.bands = QRectF(layout.plot.left(), 6.0, layout.plot.width(), 22.0);
    if (counts) {
        layout.counts = QRectF(layout.plot.right() + 8.0, layout.plot.top(), kCountsRoom - 16.0, layout.plot.height());
    }
    layout.colour_bar = QRectF(size.width() - kBarRoom + 18.0, layout.plot.top(), kBarWidth, layout.plot.height());
    return layout;
}

HeatmapCanvas::HeatmapCanvas(Selection& selection, QWidget* parent)
    : QWidget(parent), m_selection(selection), m_cursor(selection) {
    setObjectName(u"heatmapCanvas"_s);
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setAttribute(Qt::WA_OpaquePaintEvent);
    setAccessibleName(tr("Routing heatmap"));
    connect(&m_selection, &Selection::changed, this, [this] {
        if (hasFocus() && hasTokenAxis()) {
            const bool followed = m_axis.follow();
            m_axis.reveal(m_selection.token());
            noteFollow(followed);
        }
        refreshCells();
        revealRow(rowCursor());
        describeForAssistiveTools();
    });
    connect(&m_selection, &Selection::hoverChanged, this, [this] { update(); });
    refreshLayout();
}

const History& HeatmapCanvas::history() const {
    return shownHistory(findLane(m_snapshot, m_selection.lane()), m_selection.turn());
}

void HeatmapCanvas::setSnapshot(const SnapshotPointer& snapshot) {
    m_snapshot = snapshot;
    refreshCells();
}

void HeatmapCanvas::setProjection(Projection projection) {
    if (projection == m_projection) return;
    m_projection = projection;
    m_image = {};
    refreshLayout();
}

void HeatmapCanvas::setValue(HeatmapValue value) {
    if (value == m_value) return;
    m_value = value;
    refreshCells();
}

void HeatmapCanvas::setScope(LayerExpertScope scope) {
    m_scope = scope;
    refreshCells();
}

void HeatmapCanvas::setDenseMap(ColourMapName map) {
    if (map == m_dense_map) return;
    m_dense_map = map;
    refreshCells();
}

void HeatmapCanvas::setFollow(bool follow) {
    const bool followed = m_axis.follow();
    m_axis.setFollow(follow);
    refreshCells();
    noteFollow(followed);
}

void HeatmapCanvas::resetZoom() {
    const bool followed = m_axis.follow();
    m_axis.resetZoom();
    refreshCells();
    noteFollow(followed);
}

void HeatmapCanvas::noteFollow(bool before) {
    if (m_axis.follow() != before) Q_EMIT followChanged(m_axis.follow());
}

std::int32_t HeatmapCanvas::rowCount() const {
    const TraceShape& shape = history().shape();
    return m_projection == Projection::kExpertToken ? shape.experts : shape.moe_layers;
}

double HeatmapCanvas::rowHeight() const {
    return std::max(m_layout.plot.height() / std::max(rowCount(), 1), kSmallestCell);
}

QRectF HeatmapCanvas::rowsRect() const {
    const QRectF& plot = m_layout.plot;
    return {plot.left(), plot.top() - m_top_row * rowHeight(), plot.width(), rowHeight() * rowCount()};
}

std::int32_t HeatmapCanvas::visibleRows() const {
    return std::min(static_cast<std::int32_t>(m_layout.plot.height() / rowHeight() + 1e-6), rowCount());
}

void HeatmapCanvas::setTopRow(std::int32_t row) {
    row = std::clamp(row, 0, rowCount() - visibleRows());
    if (row == m_top_row) return;
    m_top_row = row;
    update();
    Q_EMIT rowsMoved();
}

void HeatmapCanvas::revealRow(std::int32_t row) {
    if (row < 0 || row >= rowCount() || isRowVisible(row)) return;
    setTopRow(row < m_top_row ? row : row + 1 - visibleRows());
}

std::int32_t HeatmapCanvas::layerExpertRows() const {
    const History& rows = history();
    switch (m_scope) {
        case LayerExpertScope::kToken: {
            const std::int32_t token = m_selection.shownToken();
            return hasRouting(rows, token) ? 1 : 0;
        }
        case LayerExpertScope::kRange:
            return std::min(m_selection.range().last, rows.rowCount()) - m_selection.range().first;
        case LayerExpertScope::kAll:
            break;
    }
    return rows.rowCount();
}

bool HeatmapCanvas::isEmpty() const {
    return rowCount() == 0 || (hasTokenAxis() ? history().rowCount() == 0 : layerExpertRows() <= 0);
}

void HeatmapCanvas::refreshLayout() {
    m_layout = HeatmapLayout::of(QSizeF(size()), m_projection);
    m_axis.setWidth(m_layout.plot.left(), m_layout.plot.width());
    refreshCells();
    Q_EMIT rowsMoved();
}

ColumnSource HeatmapCanvas::columnSource() const {
    return {.projection = m_projection,
            .value = m_value,
            .layer = m_projection == Projection::kExpertToken
                         ? std::min(m_selection.layer(), std::max(history().shape().moe_layers - 1, 0))
                         : 0,
            .tokens_per_column = tokensPerColumn(m_axis.tokenWidth(), kSmallestCell)};
}

HeatmapColours HeatmapCanvas::cellColours() const {
    HeatmapData scale;
    scale.value = m_value;
    if (m_projection == Projection::kLayerExpert) {
        scale.value = m_layer_expert.value;
        scale.low = m_layer_expert.low;
        scale.high = m_layer_expert.high;
    } else if (m_value == HeatmapValue::kWeight) {
        scale.high = weightScale(history().shape().slots);
    } else {
        fitScale(scale, m_columns.smallest(), m_columns.largest());
    }
    return heatmapColours(scale.value, scale.low, scale.high, colours().dark, m_dense_map);
}

void HeatmapCanvas::refreshCells() {
    m_axis.setTokenCount(history().rowCount());
    setTopRow(m_top_row);
    if (rowCount() > 0) {
        if (hasTokenAxis()) {
            refreshTokenCells();
        } else {
            refreshLayerExpert();
        }
    }
    update();
}

void HeatmapCanvas::refreshTokenCells() {
    const History& rows = history();
    m_runs.update(rows);
    const ColumnSource source = columnSource();
    if (m_projection == Projection::kExpertToken) m_counts.update(rows, source.layer);
    m_first_column = m_axis.firstVisible() / source.tokens_per_column;
    m_end_column = (m_axis.endVisible() + source.tokens_per_column - 1) / source.tokens_per_column;
    const auto& changed = m_columns.update(rows, source, m_first_column, m_end_column);
    const HeatmapColours wanted = cellColours();
    const QSize ring(m_columns.capacity(), m_columns.rows());
    if (m_image.size() != ring || wanted != m_painted_colours) {
        if (m_image.size() != ring) m_image = QImage(ring, QImage::Format_RGB32);
        for (std::int32_t column = m_first_column; column < m_end_column; ++column) {
            renderColumn(m_columns.column(column), wanted, m_image, m_columns.slotOf(column));
        }
        m_painted_colours = wanted;
        return;
    }
    for (const std::int32_t column : changed) {
        renderColumn(m_columns.column(column), wanted, m_image, m_columns.slotOf(column));
    }
}

void HeatmapCanvas::refreshLayerExpert() {
    if (layerExpertRows() <= 0) {
        m_layer_expert = {};
        m_image = {};
        return;
    }
    if (m_scope == LayerExpertScope::kToken) {
        const bool own = m_value == HeatmapValue::kProbability || m_value == HeatmapValue::kChosen;
        const auto value = own ? m_value : HeatmapValue::kWeight;
        m_layer_expert = layerExpertOfToken(history(), m_selection.shownToken(), value);
    } else {
        const TokenRange range =
            m_scope == LayerExpertScope::kRange ? m_selection.range() : TokenRange{0, history().rowCount()};
        m_layer_shares.update(history(), range);
        m_layer_expert = m_layer_shares.data();
    }
    m_painted_colours = cellColours();
    m_image = renderHeatmap(m_layer_expert, m_painted_colours);
}

HeatmapData HeatmapCanvas::visibleData() const {
    if (!hasTokenAxis()) return m_layer_expert;
    HeatmapData data;
    data.projection = m_projection;
    data.value = m_value;
    if (isEmpty()) return data;
    data.rows = m_columns.rows();
    data.columns = m_end_column - m_first_column;
    data.first_column = m_first_column;
    data.tokens_per_column = columnSource().tokens_per_column;
    data.low = m_painted_colours.low;
    data.high = m_painted_colours.high;
    for (std::int32_t column = m_first_column; column < m_end_column; ++column) {
        const auto values = m_columns.column(column);
        data.values.insert(data.values.end(), values.begin(), values.end());
    }
    return data;
}

QString HeatmapCanvas::rowName(std::int32_t row) const {
    return QString::number(m_projection == Projection::kExpertToken ? row : modelLayer(m_snapshot, row));
}

QString HeatmapCanvas::columnName(const HeatmapData& data, std::int32_t column) const {
    if (data.projection == Projection::kLayerExpert) return QString::number(column);
    const std::int32_t first = (data.first_column + column) * data.tokens_per_column;
    const std::int32_t last = std::min(first + data.tokens_per_column, history().rowCount()) - 1;
    return first == last ? QString::number(first) : u"%1-%2"_s.arg(first).arg(last);
}

QString HeatmapCanvas::axisTitle(Qt::Orientation orientation) const {
    if (orientation == Qt::Vertical) return m_projection == Projection::kExpertToken ? tr("Expert id") : tr("Layer");
    if (m_projection == Projection::kLayerExpert) return tr("Expert id");
    const std::int32_t tokens = columnSource().tokens_per_column;
    if (tokens == 1) return tr("Token position (rows fed to the model)");
    return m_value == HeatmapValue::kEntropy ? tr("Token position (a column is the mean of %1 tokens)").arg(tokens)
                                             : tr("Token position (a column is the largest of %1 tokens)").arg(tokens);
}

QString HeatmapCanvas::valueName() const {
    switch (m_projection == Projection::kLayerExpert && !isEmpty() ? m_layer_expert.value : m_value) {
        case HeatmapValue::kWeight:
            return tr("Weight");
        case HeatmapValue::kProbability:
            return tr("Probability");
        case HeatmapValue::kChosen:
            return tr("Chosen");
        case HeatmapValue::kShare:
            return tr("Share of rows");
        case HeatmapValue::kEntropy:
            return tr("Entropy");
        case HeatmapValue::kMargin:
            return tr("Margin");
        case HeatmapValue::kTopProbability:
            break;
    }
    return tr("Top-1 p");
}

std::int32_t HeatmapCanvas::rowAt(QPointF point) const {
    if (isEmpty() || !m_layout.plot.contains(point)) return -1;
    return std::clamp(static_cast<std::int32_t>((point.y() - rowsRect().top()) / rowHeight()), 0, rowCount() - 1);
}

std::int32_t HeatmapCanvas::keyAt(QPointF point) const {
    if (isEmpty()) return -1;
    const bool over_columns = m_layout.plot.contains(point) || m_layout.bands.contains(point);
    if (!over_columns) return -1;
    if (hasTokenAxis()) return m_axis.tokenAt(point.x());
    const double share = (point.x() - m_layout.plot.left()) / m_layout.plot.width();
    return std::clamp(static_cast<std::int32_t>(share * history().shape().experts), 0, history().shape().experts - 1);
}

QString HeatmapCanvas::describeCell(std::int32_t row, std::int32_t key) const {
    const History& rows = history();
    QStringList lines;
    const auto tokenLine = [&](std::int32_t position) {
        const TokenRecord& token = rows.token(position);
        return tr("position %1 “%2”, %3")
            .arg(format::count(position), format::tokenText(token.bytes), phaseName(token.trace.phase));
    };
    const auto lostLine = [&] { lines << tr("No data: the record of this row was lost"); };
    const auto expertLines = [&](std::int32_t position, std::int32_t layer, std::int32_t expert) {
        lines << tr("Expert %1, layer %2, %3").arg(expert).arg(modelLayer(m_snapshot, layer)).arg(tokenLine(position));
        if (!hasRouting(rows, position)) return lostLine();
        const std::int32_t slot = slotOfExpert(rows.experts(position, layer), expert);
        if (slot >= 0) {
            const double weight = rows.weights(position, layer)[slot];
            lines << tr("%1, rank %2 of %3")
                         .arg(std::isnan(weight) ? tr("Weight not recorded")
                                                 : tr("Weight %1").arg(format::probability(weight)))
                         .arg(slot + 1)
                         .arg(rows.router(position, layer).active);
        } else if (rows.router(position, layer).next_expert == expert) {
            lines << tr("Next in rank, not chosen: p = %1")
                         .arg(format::probability(rows.router(position, layer).next_probability));
        } else {
            lines << tr("Not chosen");
        }
        const auto distribution = rows.distribution(position, layer);
        if (!distribution.empty()) lines << tr("Probability %1").arg(format::probability(distribution[expert]));
    };
    if (m_projection == Projection::kLayerExpert) {
        if (m_scope == LayerExpertScope::kToken) {
            expertLines(m_selection.shownToken(), row, key);
        } else {
            lines << tr("Expert %1, layer %2").arg(key).arg(rowName(row));
            lines << tr("Chosen in %1 of %2 rows")
                         .arg(format::percent(m_layer_expert.at(row, key)), format::count(layerExpertRows()));
        }
    } else if (columnSource().tokens_per_column > 1) {
        const std::int32_t column = key / columnSource().tokens_per_column;
        const std::int32_t first = column * columnSource().tokens_per_column;
        const std::int32_t last = std::min(first + columnSource().tokens_per_column, rows.rowCount()) - 1;
        lines << tr("%1 %2, positions %3")
                     .arg(m_projection == Projection::kExpertToken ? tr("Expert") : tr("Layer"), rowName(row),
                          format::range(first, last));
        lines << (m_value == HeatmapValue::kEntropy ? tr("Mean %1") : tr("Largest %1"))
                     .arg(format::probability(m_columns.column(column)[row]));
    } else if (m_projection == Projection::kExpertToken) {
        expertLines(key, columnSource().layer, row);
    } else {
        const RouterFacts& facts = rows.router(key, row);
        lines << tr("Layer %1, %2").arg(rowName(row), tokenLine(key));
        if (!hasRouting(rows, key)) lostLine();
        lines << tr("Entropy %1 of 1, margin %2, top-1 p %3")
                     .arg(format::entropy(facts.entropy), format::probability(facts.margin()),
                          format::probability(facts.top_probability));
    }
    lines << (hasTokenAxis() ? tr("Click selects, drag selects a range") : tr("Click selects"));
    return lines.join(u'\n');
}

std::int32_t HeatmapCanvas::rowCursor() const {
    return m_projection == Projection::kExpertToken ? m_selection.expert() : m_selection.layer();
}

void HeatmapCanvas::setRowCursor(std::int32_t row) {
    row = std::clamp(row, 0, std::max(rowCount() - 1, 0));
    if (m_projection == Projection::kExpertToken) {
        m_selection.setExpert(row);
    } else {
        m_selection.setLayer(row);
    }
}

void HeatmapCanvas::stepExpert(std::int32_t by) {
    m_selection.setExpert(std::clamp(std::max(m_selection.expert(), 0) + by, 0, history().shape().experts - 1));
}

void HeatmapCanvas::zoomByKey(double notches) {
    m_axis.zoomByNotches(m_layout.plot.center().x(), notches);
    refreshCells();
}

void HeatmapCanvas::keyPressEvent(QKeyEvent* event) {
    if (isEmpty()) return QWidget::keyPressEvent(event);
    switch (event->key()) {
        case Qt::Key_Up:
            return setRowCursor(rowCursor() - 1);
        case Qt::Key_Down:
            return setRowCursor(rowCursor() + 1);
        case Qt::Key_Return:
        case Qt::Key_Enter:
            if (m_projection != Projection::kLayerToken && m_selection.expert() >= 0) Q_EMIT expertOpened();
            return;
        case Qt::Key_Plus:
            return zoomByKey(1.0);
        case Qt::Key_Minus:
            return zoomByKey(-1.0);
        default:
            break;
    }
    const std::int32_t by = cursorStep(*event);
    if (by != 0 && !hasTokenAxis()) return stepExpert(by);
    if (!m_cursor.pressKey(*event, history().rowCount())) QWidget::keyPressEvent(event);
}

void HeatmapCanvas::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return;
    m_cursor.press(event->position(), hasTokenAxis() ? keyAt(event->position()) : -1);
}

void HeatmapCanvas::mouseMoveEvent(QMouseEvent* event) {
    if (m_cursor.drag(event->position(), m_axis.nearestToken(event->position().x()))) return;
    const std::int32_t row = rowAt(event->position());
    const std::int32_t key = keyAt(event->position());
    if (key < 0) {
        m_selection.setHover({});
    } else if (m_projection == Projection::kExpertToken) {
        m_selection.setHover({.token = key, .layer = m_selection.layer(), .expert = row});
    } else if (m_projection == Projection::kLayerToken) {
        m_selection.setHover({.token = key, .layer = row});
    } else {
        m_selection.setHover({.layer = row, .expert = key});
    }
}

void HeatmapCanvas::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || !m_cursor.release()) return;
    const std::int32_t row = rowAt(event->position());
    const std::int32_t key = keyAt(event->position());
    if (key < 0) return;
    if (row >= 0) setRowCursor(row);
    if (hasTokenAxis()) {
        m_cursor.click(key, event->modifiers());
    } else {
        m_selection.setExpert(key);
    }
}

void HeatmapCanvas::mouseDoubleClickEvent(QMouseEvent* event) {
    const std::int32_t row = rowAt(event->position());
    const std::int32_t key = keyAt(event->position());
    if (event->button() != Qt::LeftButton || row < 0 || key < 0 || m_projection == Projection::kLayerToken) return;
    if (m_projection == Projection::kExpertToken) {
        m_selection.setExpert(row);
    } else {
        m_selection.setLayer(row);
        m_selection.setExpert(key);
    }
    Q_EMIT expertOpened();
}

void HeatmapCanvas::leaveEvent(QEvent* event) {
    m_selection.setHover({});
    QWidget::leaveEvent(event);
}

void HeatmapCanvas::wheelEvent(QWheelEvent* event) {
    if (!hasTokenAxis() || isEmpty()) {
        event->ignore();
        return;
    }
    const bool followed = m_axis.follow();
    const WheelTurn turn = wheelTurn(*event);
    if ((event->modifiers() & Qt::ControlModifier) != 0) {
        setTopRow(m_top_row - static_cast<std::int32_t>(std::lround(turn.notches * kRowsOfNotch)));
    } else if (turn.sideways) {
        m_axis.panByNotches(turn.notches);
    } else {
        m_axis.zoomByNotches(event->position().x(), turn.notches);
    }
    refreshCells();
    noteFollow(followed);
    event->accept();
}

void HeatmapCanvas::contextMenuEvent(QContextMenuEvent* event) {
    selectForMenu(m_selection, *event);
    Q_EMIT contextMenuWanted(event->globalPos());
}

bool HeatmapCanvas::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const std::int32_t row = rowAt(help->pos());
        const std::int32_t key = keyAt(help->pos());
        if (row >= 0 && key >= 0) {
            QToolTip::showText(help->globalPos(), toolTipText(describeCell(row, key)), this);
        } else {
            QToolTip::hideText();
        }
        return true;
    }
    return QWidget::event(event);
}

void HeatmapCanvas::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    refreshLayout();
}

void HeatmapCanvas::changeEvent(QEvent* event) {
    if (event->type() == QEvent::PaletteChange) refreshCells();
    QWidget::changeEvent(event);
}

void HeatmapCanvas::describeForAssistiveTools() {
    QString description = tr("No cell is selected. Arrow keys move the cursor.");
    const std::int32_t key = hasTokenAxis() ? m_selection.token() : m_selection.expert();
    const std::int32_t keys = hasTokenAxis() ? history().rowCount() : history().shape().experts;
    const bool binned = hasTokenAxis() && columnSource().tokens_per_column > 1;
    if (!isEmpty() && !binned && rowCursor() >= 0 && rowCursor() < rowCount() && key >= 0 && key < keys) {
        description = describeCell(rowCursor(), key);
    }
    if (description == accessibleDescription()) return;
    setAccessibleDescription(description);
}

QSize HeatmapCanvas::sizeHint() const {
    return {640, 400};
}

QSize HeatmapCanvas::minimumSizeHint() const {
    return {240, 160};
}

}  // namespace mixoscope
