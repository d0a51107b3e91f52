#include "views/attribution_map.h"

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "views/axis_ticks.h"
#include "views/colour_map.h"
#include "views/format.h"
#include "views/painting.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kLeft = 46.0;
constexpr double kTop = 44.0;
constexpr double kBottom = 42.0;
constexpr double kBarGap = 12.0;
constexpr double kBarWidth = 11.0;
constexpr double kLabelGap = 5.0;
constexpr double kMargin = 6.0;
constexpr double kIdFrom = 15.0;  // height of a cell that holds its expert's id
constexpr double kIdFromWidth = 22.0;
constexpr double kCellMargins = 18.0;
constexpr double kLeastScale = 1e-4;  // nats; what is far below is rounding and stays pale

/// Room for the colour bar with its labels.
double roomForColourBar(double scale) {
    const QFontMetricsF metrics(monoFont(font_size::kTick));
    const double widest =
        std::max(metrics.horizontalAdvance(attributionText(scale)), metrics.horizontalAdvance(attributionText(-scale)));
    return kBarGap + kBarWidth + kLabelGap + std::ceil(widest) + kMargin;
}

}  // namespace

QString attributionText(double change) {
    if (std::isnan(change)) return format::kAbsent;
    if (change == 0.0) return u"0"_s;
    const double size = std::abs(change);
    return (change > 0.0 ? u'+' : QChar(0x2212)) + (size < 0.01 ? format::probability(size) : format::fixed(size, 3));
}

std::vector<AttributionCell> attributionCells(const AttributionSnapshot& attribution) {
    std::vector<AttributionCell> cells;
    for (std::int32_t layer = 0; layer < attribution.layers; ++layer) {
        for (std::int32_t slot = 0; slot < attribution.slots; ++slot) {
            const auto at = static_cast<std::size_t>(layer) * static_cast<std::size_t>(attribution.slots) +
                            static_cast<std::size_t>(slot);
            if (at >= attribution.experts.size() || attribution.experts[at] < 0) continue;
            cells.push_back(
                {.layer = layer, .slot = slot, .expert = attribution.experts[at], .change = attribution.changes[at]});
        }
    }
    return cells;
}

double attributionScale(const AttributionSnapshot& attribution) {
    double largest = 0.0;
    for (const double change : attribution.changes) {
        if (!std::isnan(change)) largest = std::max(largest, std::abs(change));
    }
    return largest > 0.0 ? std::max(kLeastScale, roundUp125(largest)) : 1.0;
}

AttributionMap::AttributionMap(Selection& selection, QWidget* parent) : QWidget(parent), m_selection(selection) {
    setObjectName(u"attribution_map"_s);
    setAccessibleName(tr("Expert attribution"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
}

void AttributionMap::setAttribution(const std::shared_ptr<const AttributionSnapshot>& attribution, const QString& token,
                                    const std::vector<std::int32_t>& layers) {
    m_attribution = attribution;
    m_cells = attribution ? attributionCells(*attribution) : std::vector<AttributionCell>{};
    m_scale = attribution ? attributionScale(*attribution) : 1.0;
    m_right = roomForColourBar(m_scale);
    m_token = token;
    m_layers = layers;
    describeSelected();
    update();
}

QRectF AttributionMap::plot() const {
    return {kLeft, kTop, std::max(20.0, width() - kLeft - m_right), std::max(20.0, height() - kTop - kBottom)};
}

QRectF AttributionMap::cellRect(std::int32_t layer, std::int32_t slot) const {
    if (!m_attribution) return {};
    const QRectF area = plot();
    const double wide = area.width() / std::max(1, m_attribution->slots);
    const double tall = area.height() / std::max(1, m_attribution->layers);
    return {area.left() + slot * wide, area.top() + layer * tall, wide, tall};
}

const AttributionCell* AttributionMap::cellOf(std::int32_t layer, std::int32_t slot) const {
    const auto found = std::ranges::find_if(
        m_cells, [&](const AttributionCell& cell) { return cell.layer == layer && cell.slot == slot; });
    return found == m_cells.end() ? nullptr : &*found;
}

const AttributionCell* AttributionMap::cellAt(QPointF point) const {
    const auto found = std::ranges::find_if(
        m_cells, [&](const AttributionCell& cell) { return cellRect(cell.layer, cell.slot).contains(point); });
    return found == m_cells.end() ? nullptr : &*found;
}

const AttributionCell* AttributionMap::selectedCell() const {
    return cellOf(m_cursor_layer, m_cursor_slot);
}

void AttributionMap::select(const AttributionCell* cell) {
    if (cell == nullptr) return;
    m_cursor_layer = cell->layer;
    m_cursor_slot = cell->slot;
    m_selection.setLayer(cell->layer);
    m_selection.setExpert(cell->expert);
    describeSelected();
    update();
}

QString AttributionMap::layerName(std::int32_t layer) const {
    const auto at = static_cast<std::size_t>(layer);
    return QString::number(at < m_layers.size() ? m_layers[at] : layer);
}

QString AttributionMap::describe(const AttributionCell& cell) const {
    QStringList lines{tr("Layer %1, expert %2, rank %3")
                          .arg(layerName(cell.layer), QString::number(cell.expert), QString::number(cell.slot + 1))};
    if (std::isnan(cell.change)) {
        lines << (m_attribution->running ? tr("Not computed yet")
                                         : tr("Not computed: it was stopped, or the policy cannot do without the "
                                              "expert"));
    } else {
        lines << tr("Without it log-probability %1 instead of %2: %3 nats")
                     .arg(format::logProbability(m_attribution->logprob + cell.change),
                          format::logProbability(m_attribution->logprob), attributionText(cell.change))
              << (cell.change < 0.0   ? tr("It made the token likelier")
                  : cell.change > 0.0 ? tr("It made the token less likely")
                                      : tr("It made no difference"));
    }
    return lines.join(u'\n');
}

void AttributionMap::describeSelected() {
    const AttributionCell* cell = selectedCell();
    setAccessibleDescription(cell == nullptr ? tr("Nothing is measured") : describe(*cell));
}

// --- painting --------------------------------------------------------------------------------------------------------

void AttributionMap::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), colours().base);
    if (isEmpty()) {
        paintEmptyState(painter, rect(),
                        {.icon = u"balance"_s,
                         .title = tr("Which experts made this token?"),
                         .text = tr("Select a token of the newest turn and press Ctrl+Shift+K to measure it without "
                                    "each of its experts.")});
    } else {
        paintHeadline(painter);
        paintCells(painter);
        paintAxes(painter);
        paintColourBar(painter);
    }
    if (hasFocus()) paintFocusFrame(painter, rect());
}

void AttributionMap::paintHeadline(QPainter& painter) const {
    const QRectF area(10, 4, width() - 20, 16);
    painter.setFont(textFont(font_size::kTable, QFont::DemiBold));
    painter.setPen(colours().text);
    painter.drawText(area, Qt::AlignLeft | Qt::AlignVCenter,
                     painter.fontMetrics().elidedText(tr("Log-probability of “%1” without the expert").arg(m_token),
                                                      Qt::ElideRight, static_cast<int>(area.width())));
    painter.setFont(textFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    const QRectF below(area.left(), area.top() + 17.0, plot().right() - area.left(), area.height());
    painter.drawText(
        below, Qt::AlignLeft | Qt::AlignVCenter,
        painter.fontMetrics().elidedText(tr("experts of the row before it, position %1, which predicted it")
                                             .arg(format::count(m_attribution->position - 1)),
                                         Qt::ElideRight, static_cast<int>(below.width())));
}

void AttributionMap::paintCells(QPainter& painter) const {
    const QRectF area = plot();
    const bool with_values = valuesFit();
    for (const AttributionCell& cell : m_cells) paintCell(painter, cell, with_values);
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(area.adjusted(-0.5, -0.5, 0.5, 0.5));
    if (const AttributionCell* cell = selectedCell(); cell != nullptr)
        paintSelectionOutline(painter, cellRect(cell->layer, cell->slot));
}

bool AttributionMap::idsFit() const {
    const QRectF cell = cellRect(0, 0);
    return cell.height() >= kIdFrom && cell.width() >= kIdFromWidth;
}

/// Whether every cell holds its expert's id and the change side by side.
bool AttributionMap::valuesFit() const {
    if (!idsFit()) return false;
    const QFontMetricsF metrics(monoFont(font_size::kCaption));
    double widest = 0.0;
    for (const AttributionCell& cell : m_cells) {
        widest = std::max(widest, metrics.horizontalAdvance(QString::number(cell.expert)) +
                                      metrics.horizontalAdvance(attributionText(cell.change)));
    }
    return widest + kCellMargins <= cellRect(0, 0).width();
}

void AttributionMap::paintCell(QPainter& painter, const AttributionCell& cell, bool with_values) const {
    const QRectF rect = cellRect(cell.layer, cell.slot);
    const double gap = rect.height() >= 6.0 ? 1.0 : 0.0;
    const QRectF inner = rect.adjusted(0, 0, -gap, -gap);
    QColor ground = colours().base;
    if (std::isnan(cell.change)) {
        painter.fillRect(inner, QBrush(colours().strong_border, Qt::BDiagPattern));
    } else {
        ground = QColor(ColourMap::get(ColourMapName::kSeesaw, colours().dark).at(0.5 + cell.change / m_scale / 2.0));
        painter.fillRect(inner, ground);
    }
    if (!idsFit()) return;
    painter.setFont(monoFont(font_size::kCaption));
    painter.setPen(std::isnan(cell.change) ? colours().muted_text : readableTextOn(ground));
    if (!with_values) {
        painter.drawText(inner, Qt::AlignCenter, QString::number(cell.expert));
        return;
    }
    painter.drawText(inner.adjusted(6, 0, -6, 0), Qt::AlignLeft | Qt::AlignVCenter, QString::number(cell.expert));
    painter.drawText(inner.adjusted(6, 0, -6, 0), Qt::AlignRight | Qt::AlignVCenter, attributionText(cell.change));
}

void AttributionMap::paintAxes(QPainter& painter) const {
    const QRectF area = plot();
    painter.setFont(monoFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    const double tall = area.height() / m_attribution->layers;
    const double wide = area.width() / m_attribution->slots;
    for (const std::int32_t layer : idTicks(m_attribution->layers, tall, 14.0)) {
        painter.drawText(QRectF(14, area.top() + (layer + 0.5) * tall - 7, kLeft - 20, 14),
                         Qt::AlignRight | Qt::AlignVCenter, layerName(layer));
    }
    for (const std::int32_t slot : idTicks(m_attribution->slots, wide, 18.0)) {
        painter.drawText(QRectF(area.left() + (slot + 0.5) * wide - 24, area.bottom() + 3, 48, 13), Qt::AlignCenter,
                         QString::number(slot + 1));
    }
    paintVerticalTitle(painter, QRectF(2, area.top(), 14, area.height()), tr("Layer"));
    painter.setFont(textFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    const QRectF title(area.left(), area.bottom() + 19, width() - kMargin - area.left(), 16);
    painter.drawText(title, Qt::AlignLeft | Qt::AlignVCenter,
                     painter.fontMetrics().elidedText(axisTitle(), Qt::ElideRight, static_cast<int>(title.width())));
}

QString AttributionMap::axisTitle() const {
    if (valuesFit()) return tr("Rank of the expert; id and change in the cell");
    return idsFit() ? tr("Rank of the expert; its id in the cell")
                    : tr("Rank of the expert; point at a cell for its id");
}

void AttributionMap::paintColourBar(QPainter& painter) const {
    const QRectF area = plot();
    const QRectF bar(area.right() + kBarGap, area.top(), kBarWidth, area.height());
    const ColourMap& map = ColourMap::get(ColourMapName::kSeesaw, colours().dark);
    for (int y = 0; y < static_cast<int>(bar.height()); ++y) {
        painter.fillRect(QRectF(bar.left(), bar.top() + y, bar.width(), 1.5),
                         QColor(map.at(1.0 - (y + 0.5) / bar.height())));
    }
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(bar);
    painter.setFont(textFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    painter.drawText(QRectF(area.right() + kMargin, bar.top() - 18, width() - area.right() - 2 * kMargin, 14),
                     Qt::AlignRight | Qt::AlignVCenter, tr("Δ nats"));
    painter.setFont(monoFont(font_size::kTick));
    const auto label = [&](double share, const QString& text) {
        const double y = std::clamp(bar.bottom() - share * bar.height(), bar.top() + 6, bar.bottom() - 6);
        painter.drawText(QRectF(bar.right() + kLabelGap, y - 7, width() - bar.right() - kLabelGap, 14),
                         Qt::AlignLeft | Qt::AlignVCenter, text);
    };
    label(1.0, attributionText(m_scale));
    label(0.5, u"0"_s);
    label(0.0, attributionText(-m_scale));
}

// --- pointer and keys ------------------------------------------------------------------------------------------------

bool AttributionMap::event(QEvent* event) {
    if (event->type() != QEvent::ToolTip) return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    const AttributionCell* cell = isEmpty() ? nullptr : cellAt(QPointF(help->pos()));
    if (cell != nullptr) {
        QToolTip::showText(help->globalPos(),
                           toolTipText(describe(*cell) + u'\n' + tr("Click selects layer and expert")), this);
    } else {
        QToolTip::hideText();
    }
    return true;
}

void AttributionMap::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton && !isEmpty()) select(cellAt(event->position()));
}

void AttributionMap::mouseMoveEvent(QMouseEvent* event) {
    const AttributionCell* cell = isEmpty() ? nullptr : cellAt(event->position());
    m_selection.setHover(cell == nullptr ? Hover{} : Hover{.token = -1, .layer = cell->layer, .expert = cell->expert});
}

void AttributionMap::leaveEvent(QEvent* event) {
    m_selection.setHover({});
    QWidget::leaveEvent(event);
}

void AttributionMap::keyPressEvent(QKeyEvent* event) {
    const auto to = [this](std::int32_t layer, std::int32_t slot) {
        if (isEmpty()) return;
        select(cellOf(std::clamp(layer, 0, m_attribution->layers - 1), std::max(slot, 0)));
    };
    switch (event->key()) {
        case Qt::Key_Up:
            return to(m_cursor_layer - 1, m_cursor_slot);
        case Qt::Key_Down:
            return to(m_cursor_layer + 1, m_cursor_slot);
        case Qt::Key_Left:
            return to(m_cursor_layer, m_cursor_slot - 1);
        case Qt::Key_Right:
            return to(m_cursor_layer, m_cursor_slot + 1);
        default:
            QWidget::keyPressEvent(event);
    }
}

void AttributionMap::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

QString AttributionMap::viewName() const {
    return u"attribution"_s;
}

QString AttributionMap::viewTitle() const {
    return tr("Expert attribution");
}

QImage AttributionMap::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString AttributionMap::csv() const {
    QString text = u"lane,position,id,text,logprob,layer,slot,expert,logprob_change\n"_s;
    for (const AttributionCell& cell : m_cells) {
        const QStringList fields{QString::number(m_attribution->lane),
                                 QString::number(m_attribution->position),
                                 QString::number(m_attribution->token),
                                 csvField(m_token),
                                 csvNumber(m_attribution->logprob),
                                 layerName(cell.layer),
                                 QString::number(cell.slot),
                                 QString::number(cell.expert),
                                 csvNumber(cell.change)};
        text += fields.join(u',') + u'\n';
    }
    return text;
}

}  // namespace mixoscope
