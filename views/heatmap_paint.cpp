// How the heatmap canvas paints itself. Only what is visible costs time.
#include <QPaintEngine>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "views/axis_ticks.h"
#include "views/format.h"
#include "views/heatmap_canvas.h"
#include "views/painting.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kNumberCell = 18.0;  // logical pixels from which a cell shows its number
constexpr double kGapCell = 9.0;      // from which cells are drawn apart

QString colourBarLabel(double value, int decimals) {
    QString text = format::fixed(value, decimals);
    while (text.contains(u'.') && (text.endsWith(u'0') || text.endsWith(u'.'))) text.chop(1);
    return text;
}

}  // namespace

void HeatmapCanvas::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), colours().base);
    if (isEmpty()) {
        paintEmptyState(painter);
        if (hasFocus()) paintFocusFrame(painter, rect());
        return;
    }
    painter.setFont(textFont(font_size::kTick));
    paintCells(painter);
    paintNumbers(painter);
    paintNextExperts(painter);
    paintBands(painter);
    paintRange(painter);
    paintRowAxis(painter);
    paintColumnAxis(painter);
    paintCounts(painter);
    paintColourBar(painter);
    paintHeadline(painter);
    paintCursor(painter);
    if (hasFocus()) paintFocusFrame(painter, rect());
}

void HeatmapCanvas::paintEmptyState(QPainter& painter) const {
    const bool has_rows = rowCount() > 0 && history().rowCount() > 0;
    EmptyState state{.icon = u"follow"_s, .title = {}, .text = {}};
    if (has_rows && m_scope == LayerExpertScope::kRange) {
        state.title = tr("No range selected");
        state.text = tr("Drag over tokens in the timeline or in Expert × token.");
    } else if (has_rows && m_selection.shownToken() >= history().rowCount()) {
        state.title = tr("Not routed yet");
        state.text = tr("The newest token gets its experts when it is fed to the model, in the next step.");
    } else if (has_rows) {
        state.title = tr("No token selected");
        state.text = tr("Click a token in the chat or in the token strip: its experts of every layer appear here.");
    } else if (m_snapshot != nullptr && m_snapshot->load_error && m_snapshot->model == nullptr) {
        state.title = tr("No tokens");
        state.text = tr("Needs a model. The chat's panel says why this one did not open.");
    } else if (m_snapshot != nullptr && m_snapshot->model != nullptr && m_snapshot->model->moe_layers.empty()) {
        state.title = tr("No experts");
        state.text = tr("This model is dense: every token takes the same way through it.");
    } else {
        const bool open = m_snapshot != nullptr && m_snapshot->model != nullptr;
        state.title = tr("No tokens yet");
        state.text = open ? tr("Send a message: every token becomes a column here while it is generated.")
                          : tr("Open a model and send a message: every token becomes a column here.");
    }
    mixoscope::paintEmptyState(painter, rect(), state);
}

QRectF HeatmapCanvas::cellRect(std::int32_t row, double first_column, double columns) const {
    double left = 0.0;
    double width = 0.0;
    if (hasTokenAxis()) {
        left = m_axis.toX(first_column);
        width = columns * m_axis.tokenWidth();
    } else {
        const double column_width = m_layout.plot.width() / history().shape().experts;
        left = m_layout.plot.left() + first_column * column_width;
        width = columns * column_width;
    }
    return {left, rowsRect().top() + row * rowHeight(), width, rowHeight()};
}

void HeatmapCanvas::paintCells(QPainter& painter) const {
    painter.save();
    painter.setClipRect(m_layout.plot);
    painter.setRenderHint(QPainter::SmoothPixmapTransform, false);
    if (!hasTokenAxis()) {
        painter.drawImage(rowsRect(), m_image);
    } else {
        painter.fillRect(m_layout.plot, colours().alternate_row);
        const std::int32_t tokens = columnSource().tokens_per_column;
        // The ring holds the columns in at most two pieces.
        for (std::int32_t column = m_first_column; column < m_end_column;) {
            const std::int32_t slot = m_columns.slotOf(column);
            const std::int32_t piece = std::min(m_end_column - column, m_columns.capacity() - slot);
            const double left = m_axis.toX(static_cast<double>(column) * tokens);
            const double right = m_axis.toX(static_cast<double>(column + piece) * tokens);
            const QRectF target(left, rowsRect().top(), right - left, rowsRect().height());
            if (painter.paintEngine()->type() == QPaintEngine::SVG) {
                painter.drawImage(target, m_image.copy(slot, 0, piece, m_columns.rows()));  // it draws no part of one
            } else {
                painter.drawImage(target, m_image, QRectF(slot, 0, piece, m_columns.rows()));
            }
            column += piece;
        }
        // No data is hatched, so that it is never taken for a value.
        for (std::int32_t column = m_first_column; column < m_end_column; ++column) {
            if (!std::isnan(m_columns.column(column)[0])) continue;
            const QRectF empty = cellRect(0, static_cast<double>(column) * tokens, tokens);
            painter.fillRect(QRectF(empty.left(), m_layout.plot.top(), empty.width(), m_layout.plot.height()),
                             QBrush(colours().muted_text, Qt::BDiagPattern));
        }
        // A last column that is not full yet must not reach beyond the newest token.
        const double end = m_axis.toX(history().rowCount());
        if (end < m_layout.plot.right()) {
            painter.fillRect(QRectF(end, m_layout.plot.top(), m_layout.plot.right() - end, m_layout.plot.height()),
                             colours().alternate_row);
        }
    }
    paintGaps(painter);
    painter.restore();
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.drawRect(m_layout.plot.adjusted(-0.5, -0.5, 0.5, 0.5));
}

void HeatmapCanvas::paintGaps(QPainter& painter) const {
    const QRectF first = cellRect(0, 0, hasTokenAxis() ? columnSource().tokens_per_column : 1);
    if (first.width() < kGapCell || first.height() < kGapCell) return;
    painter.setPen(QPen(colours().base, 1.0));
    QList<QLineF> lines;
    for (std::int32_t row = 1; row < rowCount(); ++row) {
        const double y = std::round(cellRect(row, 0, 1).top()) - 0.5;
        lines << QLineF(m_layout.plot.left(), y, m_layout.plot.right(), y);
    }
    const std::int32_t begin = hasTokenAxis() ? m_first_column : 0;
    const std::int32_t end = hasTokenAxis() ? m_end_column : history().shape().experts;
    for (std::int32_t column = begin; column < end; ++column) {
        const double x = std::round(cellRect(0, column, 1).left()) - 0.5;
        lines << QLineF(x, m_layout.plot.top(), x, m_layout.plot.bottom());
    }
    painter.drawLines(lines);
}

void HeatmapCanvas::paintNumbers(QPainter& painter) const {
    const std::int32_t tokens = hasTokenAxis() ? columnSource().tokens_per_column : 1;
    const QRectF first = cellRect(0, 0, tokens);
    if (first.width() < kNumberCell || first.height() < kNumberCell) return;
    const HeatmapValue shown = hasTokenAxis() ? m_value : m_layer_expert.value;
    if (shown == HeatmapValue::kChosen) return;  // the same number in every cell
    painter.save();
    painter.setClipRect(m_layout.plot);
    painter.setFont(textFont(font_size::kTick, QFont::Medium));
    const bool sparse = hasTrueZero(shown);
    const std::int32_t begin = hasTokenAxis() ? m_first_column : 0;
    const std::int32_t end = hasTokenAxis() ? m_end_column : m_layer_expert.columns;
    for (std::int32_t column = begin; column < end; ++column) {
        const auto values = hasTokenAxis() ? m_columns.column(column) : m_layer_expert.column(column);
        for (std::int32_t row = 0; row < rowCount(); ++row) {
            const float value = values[static_cast<std::size_t>(row)];
            if (std::isnan(value) || (value == 0.0F && sparse)) {
                continue;
            }
            const float position = (value - m_painted_colours.low) / (m_painted_colours.high - m_painted_colours.low);
            painter.setPen(readableTextOn(QColor(m_painted_colours.map->at(position))));
            painter.drawText(cellRect(row, static_cast<double>(column) * tokens, tokens), Qt::AlignCenter,
                             QString::number(static_cast<int>(std::lround(value * 100.0F))));
        }
    }
    painter.restore();
}

void HeatmapCanvas::paintNextExperts(QPainter& painter) const {
    if (hasTokenAxis() || m_layer_expert.next_experts.empty()) return;
    if (cellRect(0, 0, 1).width() < 5.0) return;
    painter.save();
    painter.setClipRect(m_layout.plot);
    painter.setPen(QPen(colours().text, 1.0, Qt::DashLine));
    painter.setBrush(Qt::NoBrush);
    for (std::int32_t layer = 0; layer < m_layer_expert.rows; ++layer) {
        const std::int32_t expert = m_layer_expert.next_experts[static_cast<std::size_t>(layer)];
        if (expert >= 0) painter.drawRect(cellRect(layer, expert, 1).adjusted(0.5, 0.5, -1.5, -1.5));
    }
    painter.restore();
}

void HeatmapCanvas::paintBands(QPainter& painter) const {
    if (!hasTokenAxis()) return;
    paintPhaseBands(painter, m_layout.bands, m_axis, m_runs.runs());
}

void HeatmapCanvas::paintRange(QPainter& painter) const {
    const TokenRange range = m_selection.range();
    if (!hasTokenAxis() || range.isEmpty()) return;
    const double left = std::max(m_axis.toX(range.first), m_layout.plot.left());
    const double right = std::min(m_axis.toX(range.last), m_layout.plot.right());
    if (right <= left) return;
    QColor tint = colours().accent;
    tint.setAlpha(38);
    painter.fillRect(QRectF(left, m_layout.plot.top(), right - left, m_layout.plot.height()), tint);
    painter.setPen(QPen(colours().accent, 1.0));
    for (const double x : {left, right}) {
        painter.drawLine(QPointF(x, m_layout.bands.bottom()), QPointF(x, m_layout.plot.bottom()));
    }
}

void HeatmapCanvas::paintAxisLabel(QPainter& painter, const QRectF& rect, int flags, const QString& text,
                                   bool current) const {
    painter.setFont(textFont(font_size::kTick, current ? QFont::DemiBold : QFont::Normal));
    painter.setPen(current ? colours().accent : colours().muted_text);
    painter.drawText(rect, flags | Qt::TextDontClip, text);
}

void HeatmapCanvas::paintRowAxis(QPainter& painter) const {
    const double row_height = rowHeight();
    const auto label = [&](std::int32_t row, bool current) {
        const QRectF cell = cellRect(row, 0, 1);
        paintAxisLabel(painter, QRectF(m_layout.plot.left() - 36, cell.center().y() - 8, 30, 16),
                       Qt::AlignRight | Qt::AlignVCenter, rowName(row), current);
    };
    const std::int32_t cursor = isRowVisible(rowCursor()) ? rowCursor() : -1;
    for (const std::int32_t row : idTicks(rowCount(), row_height, 17.0)) {
        if (!isRowVisible(row)) continue;
        const bool hidden = cursor >= 0 && row != cursor && std::abs(row - cursor) * row_height < 13.0;
        if (!hidden && row != cursor) label(row, false);
        painter.setPen(QPen(colours().strong_border, 1.0));
        const double y = cellRect(row, 0, 1).center().y();
        painter.drawLine(QPointF(m_layout.plot.left() - 4, y), QPointF(m_layout.plot.left() - 1, y));
    }
    if (cursor >= 0) label(cursor, true);
    paintVerticalTitle(painter, QRectF(0, m_layout.plot.top(), 16, m_layout.plot.height()), axisTitle(Qt::Vertical));
}

void HeatmapCanvas::paintColumnAxis(QPainter& painter) const {
    const QRectF& plot = m_layout.plot;
    painter.setPen(QPen(colours().strong_border, 1.0));
    if (!hasTokenAxis()) {
        const double width = plot.width() / history().shape().experts;
        const std::int32_t cursor = m_selection.expert();
        for (const std::int32_t expert : idTicks(history().shape().experts, width, 30.0)) {
            if (cursor >= 0 && expert != cursor && std::abs(expert - cursor) * width < 22.0) continue;
            const QRectF cell = cellRect(0, expert, 1);
            paintAxisLabel(painter, QRectF(cell.center().x() - 20, plot.top() - 19, 40, 14), Qt::AlignCenter,
                           QString::number(expert), expert == cursor);
        }
        if (cursor >= 0 && cursor < history().shape().experts) {
            paintAxisLabel(painter, QRectF(cellRect(0, cursor, 1).center().x() - 20, plot.top() - 19, 40, 14),
                           Qt::AlignCenter, QString::number(cursor), true);
        }
        painter.setPen(colours().muted_text);
        painter.setFont(textFont(font_size::kCaption));
        painter.drawText(QRectF(plot.left(), plot.top() - 36, plot.width(), 15), Qt::AlignCenter,
                         axisTitle(Qt::Horizontal));
        return;
    }
    paintTokenTicks(painter, plot, m_axis, 44.0);
    painter.setPen(colours().muted_text);
    painter.setFont(textFont(font_size::kCaption));
    painter.drawText(QRectF(plot.left() - 30, plot.bottom() + 20, plot.width() + 60, 16), Qt::AlignCenter,
                     axisTitle(Qt::Horizontal));
}

void HeatmapCanvas::paintCounts(QPainter& painter) const {
    const QRectF& area = m_layout.counts;
    if (area.isEmpty()) return;
    const TokenRange range = m_selection.range();
    const LayerLoad ranged = range.isEmpty() ? LayerLoad{}
                                             : loadOverRange(history(), columnSource().layer, range.first,
                                                             std::min(range.last, history().rowCount()));
    const LayerLoad& load = range.isEmpty() ? m_counts.load() : ranged;
    if (load.rows <= 0 || load.selections.empty()) return;
    const std::int64_t most = *std::max_element(load.selections.begin(), load.selections.end());
    const double even = static_cast<double>(load.total()) / static_cast<double>(load.selections.size());
    const double scale = area.width() / std::max(static_cast<double>(most), 1.0);
    QColor bar = colours().accent;
    bar.setAlphaF(0.75F);
    const double row_height = rowHeight();
    for (std::int32_t expert = m_top_row; expert < m_top_row + visibleRows(); ++expert) {
        const double gap = row_height >= 4.0 ? 1.0 : 0.0;
        const auto count = static_cast<double>(load.selections[static_cast<std::size_t>(expert)]);
        painter.fillRect(QRectF(area.left(), rowsRect().top() + expert * row_height, count * scale, row_height - gap),
                         expert == m_selection.expert() ? colours().accent : bar);
    }
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.drawLine(QPointF(area.left() - 0.5, area.top()), QPointF(area.left() - 0.5, area.bottom()));
    const double even_x = area.left() + even * scale;
    painter.setPen(QPen(colours().text, 1.2, Qt::DashLine));
    painter.drawLine(QPointF(even_x, area.top()), QPointF(even_x, area.bottom()));
    painter.setFont(textFont(font_size::kTick));
    painter.setPen(colours().text);
    // Near the plot the labels begin at the panel's edge, clear of the token axis.
    const auto drawLabel = [&](double top, const QString& text) {
        const double wide = painter.fontMetrics().horizontalAdvance(text);
        painter.drawText(QRectF(std::max(even_x - wide / 2.0, area.left()), top, wide + 2, 14), Qt::AlignLeft, text);
    };
    drawLabel(area.bottom() + 3, format::fixed(even, 1));
    painter.setPen(colours().muted_text);
    drawLabel(area.bottom() + 17, tr("even"));
    const QString caption = range.isEmpty() ? tr("Rows") : tr("In range");
    painter.drawText(QRectF(area.left(), area.top() - 30, area.width() + 16, 14), Qt::AlignLeft | Qt::TextDontClip,
                     caption);
    painter.drawText(QRectF(area.left(), area.top() - 17, area.width() + 16, 14), Qt::AlignLeft,
                     format::range(0, most));
}

void HeatmapCanvas::paintColourBar(QPainter& painter) const {
    const QRectF& bar = m_layout.colour_bar;
    QImage strip(1, kColourMapEntries, QImage::Format_RGB32);
    for (int i = 0; i < kColourMapEntries; ++i) {
        *reinterpret_cast<QRgb*>(strip.scanLine(kColourMapEntries - 1 - i)) =
            m_painted_colours.map->entries()[static_cast<std::size_t>(i)];
    }
    painter.drawImage(bar, strip);
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(bar.adjusted(-0.5, -0.5, 0.5, 0.5));
    const double low = m_painted_colours.low;
    const double high = m_painted_colours.high;
    const ValueScale scale = niceScale(low, high, std::clamp(static_cast<int>(bar.height() / 45.0), 1, 5));
    const auto label = [&](double value, const QString& prefix) {
        const double y = bar.bottom() - (value - low) / (high - low) * bar.height();
        painter.setPen(QPen(colours().strong_border, 1.0));
        painter.drawLine(QPointF(bar.right(), y), QPointF(bar.right() + 3, y));
        painter.setPen(colours().muted_text);
        painter.drawText(QRectF(bar.right() + 5, y - 8, 40, 16), Qt::AlignLeft | Qt::AlignVCenter | Qt::TextDontClip,
                         prefix + colourBarLabel(value, 4));
    };
    painter.setFont(textFont(font_size::kTick));
    for (const double value : scale.ticks()) {
        if (value < low - 1e-6 || value > high + 1e-6) continue;
        if (std::abs(high - value) / (high - low) * bar.height() < 14.0) continue;
        label(value, {});
    }
    const bool clipped = high < 0.9999 && m_value == HeatmapValue::kWeight;
    label(high, clipped ? u"≥"_s : QString());
    painter.setPen(colours().muted_text);
    painter.drawText(QRectF(bar.left() - 16, bar.top() - 26, 72, 16), Qt::AlignLeft | Qt::TextDontClip, valueName());
}

void HeatmapCanvas::paintHeadline(QPainter& painter) const {
    if (hasTokenAxis()) return;
    const QRectF line(m_layout.plot.left(), 6, width() - m_layout.plot.left() - 8, 18);
    QString title;
    if (m_scope == LayerExpertScope::kToken) {
        const TokenRecord& token = history().token(m_selection.shownToken());
        title =
            tr("Position %1: “%2”, %3")
                .arg(format::count(token.trace.position), format::tokenText(token.bytes), phaseName(token.trace.phase));
    } else if (m_scope == LayerExpertScope::kRange) {
        title = tr("Positions %1").arg(format::range(m_selection.range().first, m_selection.range().last - 1));
    } else {
        title = tr("All %1 rows").arg(format::count(history().rowCount()));
    }
    painter.setFont(textFont(font_size::kTable, QFont::DemiBold));
    painter.setPen(colours().text);
    painter.drawText(line, Qt::AlignLeft | Qt::AlignVCenter, title);
    const double used = painter.fontMetrics().horizontalAdvance(title) + 16.0;
    const bool numbers = cellRect(0, 0, 1).width() >= kNumberCell && cellRect(0, 0, 1).height() >= kNumberCell &&
                         m_layer_expert.value != HeatmapValue::kChosen;
    QStringList notes;
    if (numbers) notes << tr("numbers: %1 × 100").arg(valueName().toLower());
    if (std::ranges::any_of(m_layer_expert.next_experts, [](std::int16_t expert) { return expert >= 0; }))
        notes << tr("dashed: next, not chosen");
    painter.setFont(textFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    const QRectF rest = line.adjusted(used, 0, 0, 0);
    painter.drawText(
        rest, Qt::AlignRight | Qt::AlignVCenter,
        painter.fontMetrics().elidedText(notes.join(u" · "_s), Qt::ElideRight, static_cast<int>(rest.width())));
}

void HeatmapCanvas::paintCursor(QPainter& painter) const {
    painter.save();
    painter.setClipRect(m_layout.plot.adjusted(-3, -10, 3, 3));
    const Hover& hover = m_selection.hover();
    if (!hasTokenAxis()) {
        if (m_selection.expert() >= 0 && m_selection.expert() < history().shape().experts &&
            m_selection.layer() < rowCount()) {
            paintSelectionOutline(painter, cellRect(m_selection.layer(), m_selection.expert(), 1));
        }
        if (hover.layer >= 0 && hover.expert >= 0 && hover.layer < rowCount()) {
            painter.setPen(QPen(colours().accent, 1.5));
            painter.drawRect(cellRect(hover.layer, hover.expert, 1));
        }
        painter.restore();
        return;
    }
    const auto columnRect = [&](std::int32_t token) {
        QRectF column(m_axis.toX(token), m_layout.plot.top(), m_axis.tokenWidth(), m_layout.plot.height());
        const double missing = std::max(4.0 - column.width(), 0.0) / 2.0;
        return column.adjusted(-missing, 0, missing, 0);
    };
    if (hover.token >= 0 && hover.token < history().rowCount() && hover.token != m_selection.token()) {
        painter.setPen(QPen(colours().accent, 1.0));
        painter.drawRect(columnRect(hover.token));
    }
    if (m_selection.token() >= 0 && m_selection.token() < history().rowCount()) {
        const QRectF column = columnRect(m_selection.token());
        paintSelectionOutline(painter, column);
        const double x = column.center().x();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(colours().accent);
        painter.drawPolygon(QPolygonF{QPointF(x - 5, column.top() - 9), QPointF(x + 5, column.top() - 9),
                                      QPointF(x, column.top() - 2)});
        painter.setRenderHint(QPainter::Antialiasing, false);
        const QRectF cell =
            rowCursor() >= 0 && rowCursor() < rowCount() ? cellRect(rowCursor(), m_selection.token(), 1) : QRectF();
        if (cell.width() >= 6.0 && cell.height() >= 6.0) paintSelectionOutline(painter, cell);
    }
    painter.restore();
}

}  // namespace mixoscope
