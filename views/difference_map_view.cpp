#include "views/difference_map_view.h"

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "views/axis_ticks.h"
#include "views/format.h"
#include "views/lane_style.h"
#include "views/painting.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

constexpr double kLeft = 46.0;
constexpr double kTop = 24.0;
constexpr double kRight = 62.0;
constexpr double kBottom = 38.0;
constexpr double kBarWidth = 11.0;
constexpr double kTickRoom = 34.0;

DifferenceMapView::DifferenceMapView(Selection& selection, QWidget* parent) : QWidget(parent), m_selection(selection) {
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setMinimumHeight(static_cast<int>(kTop + kBottom) + 30);
    connect(&m_selection, &Selection::changed, this, [this] {
        setAccessibleDescription(describe(cellOf(m_selection.layer(), m_selection.expert(), m_selection.token())));
        update();
    });
    connect(&m_selection, &Selection::hoverChanged, this, qOverload<>(&QWidget::update));
}

void DifferenceMapView::setMap(const DifferenceMap& map, LaneMeasure measure, const QString& letter,
                               const std::vector<std::int32_t>& layers) {
    m_map = map;
    m_measure = measure;
    m_letter = letter;
    m_layers = layers;
    setObjectName(u"difference_map_"_s + letter);
    setAccessibleName(map.title);
    renderCells();
    update();
}

HeatmapColours DifferenceMapView::cellColours() const {
    const bool dark = colours().dark;
    HeatmapColours cells = heatmapColours(m_map.data.value, m_map.data.low, m_map.data.high, dark);
    if (m_map.symmetric) cells.map = &ColourMap::get(ColourMapName::kSeesaw, dark);
    return cells;
}

void DifferenceMapView::renderCells() {
    m_image = m_map.data.rows > 0 ? renderHeatmap(m_map.data, cellColours()) : QImage();
}

QRectF DifferenceMapView::plot() const {
    return {kLeft, kTop, std::max(10.0, width() - kLeft - kRight), std::max(10.0, height() - kTop - kBottom)};
}

std::int32_t DifferenceMapView::columnRoom() const {
    return static_cast<std::int32_t>(plot().width() / 2.0);
}

void DifferenceMapView::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), colours().base);
    painter.fillRect(QRect(0, 0, 1, height()), colours().border);
    paintHeadline(painter);
    if (m_map.data.rows == 0) {
        painter.setFont(textFont(font_size::kTable));
        painter.setPen(colours().muted_text);
        painter.drawText(rect().adjusted(14, 24, -14, -8), Qt::AlignCenter | Qt::TextWordWrap, m_map.reason);
    } else {
        if (m_measure == LaneMeasure::kDivergence) {
            paintBars(painter);
        } else {
            paintCells(painter);
            paintColourBar(painter);
        }
        paintAxes(painter);
        paintCursor(painter);
    }
    if (hasFocus()) paintFocusFrame(painter, rect());
}

void DifferenceMapView::paintHeadline(QPainter& painter) const {
    const QRectF area(10, 2, width() - 16, kTop - 4);
    painter.setFont(textFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    double room = area.width();
    if (m_map.data.rows > 0) {
        painter.drawText(area, Qt::AlignRight | Qt::AlignVCenter, m_map.unit);
        room -= painter.fontMetrics().horizontalAdvance(m_map.unit) + 10;
    }
    painter.setFont(textFont(font_size::kTable, QFont::DemiBold));
    painter.setPen(colours().text);
    painter.drawText(area, Qt::AlignLeft | Qt::AlignVCenter,
                     painter.fontMetrics().elidedText(m_map.title, Qt::ElideRight, static_cast<int>(room)));
}

void DifferenceMapView::paintCells(QPainter& painter) const {
    const QRectF area = plot();
    painter.drawImage(area, m_image);
    for (std::int32_t column = 0; column < m_map.data.columns; ++column) {
        for (std::int32_t row = 0; row < m_map.data.rows; ++row) {
            if (!std::isnan(m_map.data.at(row, column))) continue;
            const double wide = area.width() / m_map.data.columns;
            const double tall = area.height() / m_map.data.rows;
            painter.fillRect(QRectF(area.left() + column * wide, area.top() + row * tall, wide, tall),
                             QBrush(colours().strong_border, Qt::BDiagPattern));
        }
    }
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(area.adjusted(-0.5, -0.5, 0.5, 0.5));
}

void DifferenceMapView::paintBars(QPainter& painter) const {
    const QRectF area = plot();
    const ValueScale scale = niceScale(0.0, m_map.data.high, std::max(1, static_cast<int>(area.height() / 26)));
    const auto yOf = [&](double value) { return area.bottom() - value / scale.high * area.height(); };
    painter.setFont(monoFont(font_size::kTick));
    for (const double tick : scale.ticks()) {
        painter.fillRect(QRectF(area.left(), yOf(tick), area.width(), 1.0), colours().chart_grid);
        painter.setPen(colours().muted_text);
        painter.drawText(QRectF(0, yOf(tick) - 7, kLeft - 6, 14), Qt::AlignRight | Qt::AlignVCenter,
                         format::fixed(tick, scale.decimals));
    }
    const double wide = area.width() / m_map.data.columns;
    const std::int32_t tag = m_letter.isEmpty() ? 0 : m_letter.at(0).unicode() - u'A';
    for (std::int32_t column = 0; column < m_map.data.columns; ++column) {
        const float value = m_map.data.at(0, column);
        if (std::isnan(value)) continue;
        const double top = yOf(static_cast<double>(value));
        painter.fillRect(QRectF(area.left() + column * wide, top, std::max(1.0, wide - (wide > 4 ? 1 : 0)),
                                std::max(1.0, area.bottom() - top)),
                         laneColour(tag));
    }
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.drawLine(area.bottomLeft(), area.bottomRight());
}

QString DifferenceMapView::rowName(std::int32_t row) const {
    const auto at = static_cast<std::size_t>(row);
    return QString::number(at < m_layers.size() ? m_layers[at] : row);
}

QString DifferenceMapView::columnName(std::int32_t column) const {
    if (!overTokens()) return QString::number(column);
    const std::int32_t per = m_map.data.tokens_per_column;
    return format::range(column * per, column * per + per - 1);
}

void DifferenceMapView::paintAxes(QPainter& painter) const {
    const QRectF area = plot();
    painter.setFont(monoFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    const double wide = area.width() / m_map.data.columns;
    const double tall = area.height() / m_map.data.rows;
    if (m_map.data.rows > 1) {
        for (const std::int32_t row : idTicks(m_map.data.rows, tall, 14.0)) {
            painter.drawText(QRectF(14, area.top() + (row + 0.5) * tall - 7, kLeft - 20, 14),
                             Qt::AlignRight | Qt::AlignVCenter, rowName(row));
        }
        paintVerticalTitle(painter, QRectF(2, area.top(), 14, area.height()), m_map.row_title);
    }
    painter.setFont(monoFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    const std::int32_t per = m_map.data.tokens_per_column;
    const auto ticks = overTokens()
                           ? integerTicks(0.0, static_cast<double>(m_map.data.columns) * per - 0.5, wide / per, 46.0)
                           : idTicks(m_map.data.columns, wide, 30.0);
    for (const std::int32_t tick : ticks) {
        const double x = area.left() + (static_cast<double>(tick) / per + 0.5) * wide;
        painter.drawText(QRectF(x - 24, area.bottom() + 3, 48, 13), Qt::AlignCenter, format::count(tick));
    }
    painter.setFont(textFont(font_size::kCaption));
    const QRectF below(area.left(), area.bottom() + 18, width() - area.left() - 8, 16);
    painter.drawText(below, Qt::AlignLeft | Qt::AlignVCenter, m_map.column_title);
    const int used = painter.fontMetrics().horizontalAdvance(m_map.column_title) + 12;
    painter.setPen(colours().text);
    painter.drawText(
        below.adjusted(used, 0, 0, 0), Qt::AlignRight | Qt::AlignVCenter,
        painter.fontMetrics().elidedText(m_map.remark, Qt::ElideLeft, static_cast<int>(below.width()) - used));
}

void DifferenceMapView::paintColourBar(QPainter& painter) const {
    const QRectF area = plot();
    const QRectF bar(area.right() + 10, area.top(), kBarWidth, area.height());
    const HeatmapColours cells = cellColours();
    for (int y = 0; y < static_cast<int>(bar.height()); ++y) {
        const double share = 1.0 - (y + 0.5) / bar.height();
        painter.fillRect(QRectF(bar.left(), bar.top() + y, bar.width(), 1.5), QColor(cells.map->at(share)));
    }
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(bar);
    painter.setFont(monoFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    const auto label = [&](double value, const QString& before) {
        const double share =
            (value - static_cast<double>(m_map.data.low)) / static_cast<double>(m_map.data.high - m_map.data.low);
        const double y = std::clamp(bar.bottom() - share * bar.height(), bar.top() + 5, bar.bottom() - 5);
        const QString sign = m_map.symmetric && value > 0.0 ? u"+"_s : QString();
        const int decimals = std::abs(value) < 0.1 && value != 0.0 ? 2 : std::abs(value) < 1.0 && value != 0.0 ? 1 : 0;
        painter.drawText(QRectF(bar.right() + 3, y - 7, kTickRoom + 4, 14), Qt::AlignLeft | Qt::AlignVCenter,
                         before + sign + format::fixed(value, decimals));
    };
    label(static_cast<double>(m_map.data.high), m_map.clipped_high ? u"≥"_s : QString());
    label(static_cast<double>(m_map.data.low), m_map.clipped_low ? u"≤"_s : QString());
    if (m_map.symmetric) label(0.0, {});
}

DifferenceMapView::Cell DifferenceMapView::cellAt(QPointF point) const {
    const QRectF area = plot();
    if (m_map.data.rows == 0 || !area.contains(point)) return {};
    return {.row = std::min(m_map.data.rows - 1,
                            static_cast<std::int32_t>((point.y() - area.top()) / area.height() * m_map.data.rows)),
            .column = std::min(m_map.data.columns - 1, static_cast<std::int32_t>((point.x() - area.left()) /
                                                                                 area.width() * m_map.data.columns))};
}

DifferenceMapView::Cell DifferenceMapView::cellOf(std::int32_t layer, std::int32_t expert, std::int32_t token) const {
    Cell cell;
    cell.row = m_map.data.rows == 1 ? 0 : layer;
    cell.column = !overTokens() ? expert : token < 0 ? -1 : token / m_map.data.tokens_per_column;
    if (cell.row >= m_map.data.rows) cell.row = -1;
    if (cell.column >= m_map.data.columns) cell.column = -1;
    return cell;
}

void DifferenceMapView::paintCursor(QPainter& painter) const {
    const QRectF area = plot();
    const double wide = area.width() / m_map.data.columns;
    const double tall = area.height() / m_map.data.rows;
    const auto rectOf = [&](Cell cell) {
        return QRectF(area.left() + cell.column * wide, area.top() + cell.row * tall, wide, tall);
    };
    const Hover& hover = m_selection.hover();
    const Cell pointed = cellOf(hover.layer, hover.expert, hover.token);
    painter.setBrush(Qt::NoBrush);
    if (pointed.column >= 0 && pointed.row >= 0) {
        painter.setPen(QPen(colours().accent, 1.5));
        painter.drawRect(rectOf(pointed));
    }
    const Cell selected = cellOf(m_selection.layer(), m_selection.expert(), m_selection.token());
    if (selected.column >= 0 && selected.row >= 0) paintSelectionOutline(painter, rectOf(selected));
}

QString DifferenceMapView::valueText(float value) const {
    if (std::isnan(value)) return tr("no data");
    const QString sign = m_map.symmetric && value > 0.0F ? u"+"_s : QString();
    return sign + format::fixed(static_cast<double>(value), 3);
}

QString DifferenceMapView::describe(Cell cell) const {
    if (cell.row < 0 || cell.column < 0 || m_map.data.rows == 0) return m_map.reason;
    const QString place =
        overTokens() ? tr("token %1").arg(columnName(cell.column)) : tr("expert %1").arg(columnName(cell.column));
    const QString layer = m_map.data.rows == 1 ? QString() : tr("layer %1, ").arg(rowName(cell.row));
    return tr("%1: %2%3: %4, %5")
        .arg(m_map.title, layer, place, valueText(m_map.data.at(cell.row, cell.column)), m_map.unit);
}

bool DifferenceMapView::event(QEvent* event) {
    if (event->type() != QEvent::ToolTip) return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    const Cell cell = cellAt(help->pos());
    if (cell.row >= 0) {
        QToolTip::showText(help->globalPos(), toolTipText(describe(cell) + u'\n' + tr("Click selects it in all lanes")),
                           this);
    } else {
        QToolTip::hideText();
    }
    return true;
}

void DifferenceMapView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) renderCells();
}

void DifferenceMapView::mousePressEvent(QMouseEvent* event) {
    const Cell cell = cellAt(event->position());
    if (event->button() != Qt::LeftButton || cell.row < 0) return;
    if (m_map.data.rows > 1) m_selection.setLayer(cell.row);
    if (overTokens()) {
        m_selection.setToken(cell.column * m_map.data.tokens_per_column);
    } else {
        m_selection.setExpert(cell.column);
    }
}

void DifferenceMapView::mouseMoveEvent(QMouseEvent* event) {
    const Cell cell = cellAt(event->position());
    Hover hover;
    if (cell.row >= 0) {
        hover.layer = cell.row;
        (overTokens() ? hover.token : hover.expert) =
            overTokens() ? cell.column * m_map.data.tokens_per_column : cell.column;
    }
    m_selection.setHover(hover);
}

void DifferenceMapView::leaveEvent(QEvent* event) {
    m_selection.setHover({});
    QWidget::leaveEvent(event);
}

void DifferenceMapView::keyPressEvent(QKeyEvent* event) {
    const int key = event->key();
    const int across = key == Qt::Key_Left ? -1 : key == Qt::Key_Right ? 1 : 0;
    const int down = key == Qt::Key_Up ? -1 : key == Qt::Key_Down ? 1 : 0;
    if ((across == 0 && down == 0) || m_map.data.rows == 0) return QWidget::keyPressEvent(event);
    if (down != 0) m_selection.setLayer(std::clamp(m_selection.layer() + down, 0, m_map.data.rows - 1));
    if (across == 0) return;
    if (overTokens()) {
        const std::int32_t tokens = m_map.data.columns * m_map.data.tokens_per_column;
        m_selection.setToken(std::clamp(m_selection.token() + across * m_map.data.tokens_per_column, 0, tokens - 1));
    } else {
        m_selection.setExpert(std::clamp(m_selection.expert() + across, 0, m_map.data.columns - 1));
    }
}

void DifferenceMapView::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

QString DifferenceMapView::viewName() const {
    return u"difference_"_s + m_letter.toLower();
}

QString DifferenceMapView::viewTitle() const {
    return m_map.title;
}

QImage DifferenceMapView::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString DifferenceMapView::csv() const {
    QString text = overTokens() ? u"layer,first_token,last_token,value\n"_s : u"layer,expert,value\n"_s;
    const std::int32_t per = m_map.data.tokens_per_column;
    for (std::int32_t row = 0; row < m_map.data.rows; ++row) {
        for (std::int32_t column = 0; column < m_map.data.columns; ++column) {
            QStringList fields{m_map.data.rows == 1 ? QString() : rowName(row)};
            if (overTokens()) {
                fields << QString::number(column * per) << QString::number(column * per + per - 1);
            } else {
                fields << QString::number(column);
            }
            fields << csvNumber(static_cast<double>(m_map.data.at(row, column)));
            text += fields.join(u',') + u'\n';
        }
    }
    return text;
}

}  // namespace mixoscope
