#include "views/accuracy_map.h"

#include <QFontMetricsF>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "views/colour_map.h"
#include "views/format.h"
#include "views/lane_style.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kHeader = 22.0;
constexpr double kTitle = 22.0;
constexpr double kBar = 12.0;      // colour bar
constexpr double kBarRoom = 46.0;  // with its labels
constexpr double kTallestRow = 44.0;
constexpr double kLowestRow = 15.0;
constexpr double kMostName = 0.42;    // of the width
constexpr double kNumberFrom = 30.0;  // width of a cell that has room for its number

void paintColourBar(QPainter& painter, const QRectF& bar) {
    const ColourMap& map = ColourMap::get(ColourMapName::kTide, colours().dark);
    const auto rows = static_cast<int>(bar.height());
    for (int row = 0; row < rows; ++row)
        painter.fillRect(QRectF(bar.left(), bar.bottom() - row - 1.0, bar.width(), 1.2),
                         QColor(map.at((row + 0.5) / rows)));
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.drawRect(bar);
    painter.setFont(textFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    for (const int percent : {0, 50, 100}) {
        const double y = bar.bottom() - bar.height() * percent / 100.0;
        painter.drawText(QRectF(bar.right() + 4.0, y - 8.0, 30.0, 16.0), Qt::AlignLeft | Qt::AlignVCenter,
                         QString::number(percent));
    }
}

}  // namespace

AccuracyMap::AccuracyMap(ExperimentSelection& selection, QWidget* parent) : ExperimentChart(selection, parent) {
    setObjectName(u"accuracy_map"_s);
    setAccessibleName(tr("Accuracy, policy × budget"));
}

void AccuracyMap::paintCell(QPainter& painter, const QRectF& box, std::size_t cell) const {
    const CellResult& measured = result(cell);
    const bool judged = measured.accuracy.trials > 0;
    painter.setFont(textFont(font_size::kTable, QFont::DemiBold));
    if (!judged) {
        painter.fillRect(box, QBrush(colours().strong_border, Qt::BDiagPattern));
        painter.setPen(QPen(colours().border, 1.0));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(box);
        return;
    }
    const QColor fill(ColourMap::get(ColourMapName::kTide, colours().dark).at(measured.accuracy.share));
    painter.fillRect(box, fill);
    painter.setPen(readableTextOn(fill));
    if (box.width() >= kNumberFrom)
        painter.drawText(box, Qt::AlignCenter, format::fixed(100.0 * measured.accuracy.share, 1));
    if (isFinished(measured) || measured.items == 0) return;
    // How far the cell has got, along its lower edge.
    const double share = static_cast<double>(measured.runs) / static_cast<double>(measured.items);
    const QRectF track(box.left() + 4.0, box.bottom() - 5.0, box.width() - 8.0, 3.0);
    painter.fillRect(track, colours().base);
    painter.fillRect(QRectF(track.left(), track.top(), track.width() * share, track.height()), colours().accent);
}

std::vector<ExperimentChart::Mark> AccuracyMap::paintChart(QPainter& painter, const QRectF& area) {
    const ExperimentSlice& slice = selection().slice();
    painter.setFont(monoFont(font_size::kCaption));
    const QFontMetricsF metrics(painter.font());
    double longest = 0.0;
    for (std::size_t index = 0; index < slice.policies; ++index)
        longest = std::max(longest, metrics.horizontalAdvance(policy(index)));
    const double name = std::min(std::ceil(longest) + 36.0, area.width() * kMostName);
    const QRectF grid(area.left() + name, area.top() + 8.0 + kHeader, area.width() - name - kBarRoom,
                      area.height() - 8.0 - kHeader - kTitle - 4.0);
    const double row_height = std::clamp(grid.height() / static_cast<double>(slice.policies), kLowestRow, kTallestRow);
    const double column = grid.width() / static_cast<double>(slice.places.size());

    painter.setRenderHint(QPainter::Antialiasing, false);
    std::vector<Mark> marks;
    for (std::size_t row = 0; row < slice.policies; ++row) {
        const double top = std::round(grid.top() + static_cast<double>(row) * row_height);
        const double bottom = std::round(grid.top() + static_cast<double>(row + 1) * row_height);
        if (bottom > area.bottom()) break;  // what has no room is in the table
        for (std::size_t place = 0; place < slice.places.size(); ++place) {
            const auto cell = slice.at(row, place);
            if (!cell) continue;
            const double left = std::round(grid.left() + static_cast<double>(place) * column);
            const double right = std::round(grid.left() + static_cast<double>(place + 1) * column);
            const QRectF box(left, top, right - left - 2.0, bottom - top - 2.0);
            paintCell(painter, box, *cell);
            marks.push_back({box, *cell});
        }
        painter.setFont(monoFont(font_size::kCaption));
        painter.setPen(colours().text);
        const QRectF text(area.left() + 28.0, top, name - 36.0, bottom - top - 2.0);
        painter.drawText(text, Qt::AlignLeft | Qt::AlignVCenter,
                         metrics.elidedText(policy(row), Qt::ElideMiddle, text.width()));
        paintLaneMarker(painter, QPointF(area.left() + 16.0, text.center().y()), 9.0, policyTag(row));
    }
    const double used = std::min(row_height * static_cast<double>(slice.policies), grid.height());
    painter.setFont(textFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    for (std::size_t place = 0; place < slice.places.size(); ++place)
        painter.drawText(QRectF(grid.left() + static_cast<double>(place) * column, grid.top() - kHeader, column - 2.0,
                                kHeader - 2.0),
                         Qt::AlignCenter, placeOnAxis(slice.places[place]));
    painter.setFont(textFont(font_size::kCaption));
    painter.drawText(QRectF(grid.left(), grid.top() + used + 2.0, grid.width(), kTitle), Qt::AlignCenter,
                     tr("Thinking budget B (tokens), cells in % right"));
    paintColourBar(painter, QRectF(grid.right() + 8.0, grid.top(), kBar, std::max(24.0, used - 2.0)));
    for (const Mark& mark : marks) {
        if (selection().cell() == mark.cell) paintSelectionOutline(painter, mark.area.adjusted(1, 1, -1, -1));
    }
    return marks;
}

QString AccuracyMap::viewName() const {
    return u"accuracy-map"_s;
}

QString AccuracyMap::viewTitle() const {
    return tr("Accuracy, policy × budget");
}

QString AccuracyMap::csv() const {
    return accuracyCsv();
}

}  // namespace mixoscope
