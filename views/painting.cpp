#include "views/painting.h"

#include <QObject>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "views/axis_ticks.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kTickOverhang = 6.0;  // of a tick's label over the plot's end

QString bandLabel(const PhaseRun& run) {
    if (run.injected) return u"inj"_s;
    const QString name = phaseName(run.phase);
    if (run.phase != Phase::kThinking) return u"%1 %2"_s.arg(name, format::count(run.end - run.first));
    return run.budget == kUnlimitedBudget
               ? u"%1 %2"_s.arg(name, format::count(run.thinking_tokens))
               : QObject::tr("%1 %2 of %3").arg(name, format::count(run.thinking_tokens), format::count(run.budget));
}

}  // namespace

void paintEmptyState(QPainter& painter, const QRectF& area, const EmptyState& state) {
    constexpr int kIcon = 22;
    const QRectF room = area.adjusted(16, 8, -16, -8);
    painter.setFont(textFont(font_size::kTable));
    const QRectF text_size = painter.boundingRect(QRectF(0, 0, std::min(room.width(), 340.0), 1000),
                                                  Qt::AlignHCenter | Qt::TextWordWrap, state.text);
    const double height = kIcon + 10 + 20 + text_size.height();
    double y = std::max(room.top(), room.center().y() - height / 2.0);
    if (height <= room.height()) {
        const QPixmap icon =
            themedPixmap(state.icon, colours().strong_border, kIcon, painter.device()->devicePixelRatioF());
        painter.drawPixmap(QPointF(std::round(room.center().x() - kIcon / 2.0), std::round(y)), icon);
        y += kIcon + 10;
    }
    painter.setFont(textFont(font_size::kTable, QFont::DemiBold));
    painter.setPen(colours().text);
    painter.drawText(QRectF(room.left(), y, room.width(), 18), Qt::AlignCenter, state.title);
    y += 20;
    painter.setFont(textFont(font_size::kTable));
    painter.setPen(colours().muted_text);
    const double width = std::min(room.width(), 340.0);
    painter.drawText(QRectF(room.center().x() - width / 2.0, y, width, room.bottom() - y + 8),
                     Qt::AlignHCenter | Qt::TextWordWrap, state.text);
}

void paintSelectionOutline(QPainter& painter, const QRectF& rect) {
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(QColor(Qt::white), 3.0, Qt::SolidLine, Qt::SquareCap, Qt::MiterJoin));
    painter.drawRect(rect);
    painter.setPen(QPen(QColor(Qt::black), 1.3, Qt::SolidLine, Qt::SquareCap, Qt::MiterJoin));
    painter.drawRect(rect);
}

void paintFocusFrame(QPainter& painter, const QRectF& area) {
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(colours().accent, 1.0));
    painter.drawRect(area.adjusted(0.5, 0.5, -0.5, -0.5));
}

void paintVerticalTitle(QPainter& painter, const QRectF& area, const QString& title) {
    painter.save();
    painter.setFont(textFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    painter.translate(area.center());
    painter.rotate(-90.0);
    painter.drawText(QRectF(-area.height() / 2.0, -area.width() / 2.0, area.height(), area.width()), Qt::AlignCenter,
                     title);
    painter.restore();
}

void paintPhaseBands(QPainter& painter, const QRectF& area, const TokenAxis& axis, const std::vector<PhaseRun>& runs) {
    painter.save();
    painter.setClipRect(area);
    painter.setFont(textFont(font_size::kCaption, QFont::DemiBold));
    // Runs are in order: skip those that end before the view.
    auto run = std::lower_bound(runs.begin(), runs.end(), axis.begin(),
                                [](const PhaseRun& candidate, double begin) { return candidate.end <= begin; });
    for (; run != runs.end() && run->first < axis.end(); ++run) {
        const double left = std::max(axis.toX(run->first), area.left());
        const double right = std::min(axis.toX(std::min(run->end, axis.tokenCount())), area.right());
        if (right <= left) continue;
        const QRectF band(left, area.top(), right - left, area.height());
        painter.fillRect(band, phaseBand(run->phase));
        if (run->injected) painter.fillRect(band, QBrush(phaseColour(run->phase), Qt::BDiagPattern));
        painter.fillRect(QRectF(left, area.bottom() - 2.5, right - left, 2.5), phaseColour(run->phase));
        if (left > area.left() + 0.5) painter.fillRect(QRectF(left, area.top(), 1.0, area.height()), colours().base);
        const QString label = bandLabel(*run);
        const double room = right - left - 8.0;
        const QString shown = painter.fontMetrics().horizontalAdvance(label) <= room ? label : phaseName(run->phase);
        if (painter.fontMetrics().horizontalAdvance(shown) > room) continue;
        painter.setPen(phaseColour(run->phase));
        painter.drawText(band.adjusted(5, 0, 0, -2), Qt::AlignLeft | Qt::AlignVCenter, run->injected ? label : shown);
    }
    painter.restore();
}

QString toolTipText(const QString& plain) {
    return u"<p style='white-space:pre'>"_s + plain.toHtmlEscaped() + u"</p>"_s;
}

void paintTokenTicks(QPainter& painter, const QRectF& plot, const TokenAxis& axis, double spacing) {
    painter.setFont(textFont(font_size::kTick));
    for (const std::int32_t position : integerTicks(axis.begin(), axis.end() - 0.5, axis.tokenWidth(), spacing)) {
        const double x = axis.toX(position + 0.5);
        if (x > plot.right()) continue;
        painter.setPen(QPen(colours().strong_border, 1.0));
        painter.drawLine(QPointF(x, plot.bottom() + 1), QPointF(x, plot.bottom() + 4));
        // What stands to the right of the plot has its own labels.
        const QString label = format::count(position);
        if (x + painter.fontMetrics().horizontalAdvance(label) / 2.0 > plot.right() + kTickOverhang) continue;
        painter.setPen(colours().muted_text);
        painter.drawText(QRectF(x - 30, plot.bottom() + 5, 60, 14), Qt::AlignHCenter | Qt::AlignVCenter, label);
    }
}

}  // namespace mixoscope
