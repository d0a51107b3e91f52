// How the token inspector paints experts: segments in the table, ranks of one layer below it.
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "views/colour_map.h"
#include "views/format.h"
#include "views/heatmap_data.h"
#include "views/theme.h"
#include "views/token_inspector.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kHeader = 24.0;
constexpr double kTitles = 20.0;
constexpr double kRank = 18.0;

/// Experts without weights: boxes of one size and no colour, so that nothing looks like a weight.
void paintUnweighed(QPainter& painter, const QRectF& area, const std::vector<TokenLayersModel::Segment>& segments) {
    const double width = area.width() / static_cast<double>(segments.size());
    double x = area.left();
    for (const auto& segment : segments) {
        const QRectF box(x, area.top(), width, area.height());
        painter.setPen(QPen(colours().border, 1.0));
        painter.drawRect(box.adjusted(-0.5, -0.5, -0.5, 0.5));
        painter.setPen(colours().text);
        const QString id = QString::number(segment.expert);
        if (painter.fontMetrics().horizontalAdvance(id) + 4 <= box.width()) painter.drawText(box, Qt::AlignCenter, id);
        x += width;
    }
}

}  // namespace

void ExpertSegmentsDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                                   const QModelIndex& index) const {
    const auto* model = qobject_cast<const TokenLayersModel*>(index.model());
    if (model == nullptr) return;
    painter->save();
    if ((option.state & QStyle::State_Selected) != 0) painter->fillRect(option.rect, colours().accent_background);
    const QRectF area = QRectF(option.rect).adjusted(4, 3, -6, -3);
    painter->setClipRect(area.adjusted(-1, -1, 1, 1));
    painter->setFont(textFont(font_size::kTick, QFont::Medium));
    const auto& segments = model->segments(index.row());
    if (!segments.empty() && std::isnan(segments.front().weight)) {
        paintUnweighed(*painter, area, segments);
        painter->restore();
        return;
    }
    double sum = 0.0;
    for (const auto& segment : segments) sum += segment.weight;
    // Weights that do not sum to 1 (no renormalisation) leave the rest of the row empty.
    const double width = area.width() / std::max(sum, 1.0);
    const float scale = weightScale(static_cast<std::int32_t>(segments.size()));
    const ColourMap& map = ColourMap::get(ColourMapName::kTide, colours().dark);
    double x = area.left();
    for (const auto& segment : segments) {
        const QRectF box(x, area.top(), std::max(segment.weight * width - 1.0, 1.0), area.height());
        const QColor fill(map.at(segment.weight / scale));
        painter->fillRect(box, fill);
        const QString id = QString::number(segment.expert);
        if (painter->fontMetrics().horizontalAdvance(id) + 4 <= box.width()) {
            painter->setPen(readableTextOn(fill));
            painter->drawText(box, Qt::AlignCenter, id);
        }
        x += segment.weight * width;
    }
    painter->setPen(QPen(colours().border, 1.0));
    painter->drawRect(area.adjusted(-0.5, -0.5, 0.5, 0.5));
    painter->restore();
}

LayerDetail::LayerDetail(QWidget* parent) : QWidget(parent) {
    setAccessibleName(tr("Experts of the layer by rank"));
}

void LayerDetail::show(const QString& layer_name, const RouterFacts& facts, std::vector<Rank> chosen,
                       const Rank& next) {
    const bool resized = chosen.size() != m_chosen.size();
    m_layer_name = layer_name;
    m_facts = facts;
    m_chosen = std::move(chosen);
    m_next = next;
    QStringList lines;
    for (const Rank& rank : m_chosen)
        lines << (std::isnan(rank.weight)
                      ? tr("expert %1: weight not recorded").arg(rank.expert)
                      : tr("expert %1: weight %2").arg(rank.expert).arg(format::probability(rank.weight)));
    setAccessibleDescription(tr("Layer %1: %2").arg(m_layer_name, lines.join(u", "_s)));
    if (resized) {
        setMinimumHeight(minimumSizeHint().height());
        updateGeometry();
    }
    update();
}

QSize LayerDetail::sizeHint() const {
    return {320, static_cast<int>(kHeader + kTitles + kRank * static_cast<double>(m_chosen.size() + 1)) + 10};
}

QSize LayerDetail::minimumSizeHint() const {
    return {240, sizeHint().height()};
}

void LayerDetail::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), colours().base);
    const QRectF header(0, 0, width(), kHeader);
    painter.fillRect(header, colours().alternate_row);
    painter.setPen(QPen(colours().border, 1.0));
    painter.drawLine(QPointF(0, 0.5), QPointF(width(), 0.5));
    painter.setFont(textFont(font_size::kTable, QFont::DemiBold));
    painter.setPen(colours().text);
    painter.drawText(header.adjusted(10, 0, -10, 0), Qt::AlignLeft | Qt::AlignVCenter,
                     tr("Layer %1").arg(m_layer_name));
    const auto k = static_cast<int>(m_chosen.size());
    painter.setFont(textFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    const QString margin =
        m_next.expert < 0
            ? tr("every expert chosen")
            : tr("margin p(%1) − p(%2) = %3").arg(k).arg(k + 1).arg(format::probability(m_facts.margin()));
    painter.drawText(header.adjusted(10, 0, -10, 0), Qt::AlignRight | Qt::AlignVCenter,
                     std::isnan(m_facts.entropy) ? tr("weights, margin and entropy not recorded")
                                                 : tr("%1 · entropy %2").arg(margin, format::entropy(m_facts.entropy)));
    const double right = width() - 10.0;
    const QRectF titles(10, kHeader, right - 10, kTitles);
    painter.drawText(titles, Qt::AlignLeft | Qt::AlignVCenter, tr("Rank"));
    painter.drawText(QRectF(40, kHeader, 50, kTitles), Qt::AlignRight | Qt::AlignVCenter, tr("Expert"));
    painter.drawText(QRectF(right - 164, kHeader, 54, kTitles), Qt::AlignRight | Qt::AlignVCenter, tr("Weight"));
    painter.drawText(QRectF(right - 106, kHeader, 54, kTitles), Qt::AlignRight | Qt::AlignVCenter, tr("p"));
    painter.drawText(QRectF(right - 48, kHeader, 48, kTitles), Qt::AlignRight | Qt::AlignVCenter, tr("Rows"));
    double y = kHeader + kTitles;
    for (int rank = 0; rank < k; ++rank, y += kRank) {
        paintRank(painter, y, rank + 1, m_chosen[static_cast<std::size_t>(rank)], true);
    }
    if (m_next.expert < 0) return;
    painter.setPen(QPen(colours().text, 1.0, Qt::DashLine));
    painter.drawLine(QPointF(0, y + 1.5), QPointF(width(), y + 1.5));
    paintRank(painter, y + 3, k + 1, m_next, false);
}

void LayerDetail::paintRank(QPainter& painter, double y, int rank, const Rank& values, bool chosen) const {
    const double right = width() - 10.0;
    const QRectF bar_room(100, y + 4, std::max(right - 170 - 104, 10.0), kRank - 8);
    painter.setFont(monoFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    painter.drawText(QRectF(10, y, 30, kRank), Qt::AlignLeft | Qt::AlignVCenter, QString::number(rank));
    painter.drawText(QRectF(right - 48, y, 48, kRank), Qt::AlignRight | Qt::AlignVCenter,
                     values.rows < 0 ? format::kAbsent : format::count(values.rows));
    painter.setPen(colours().text);
    painter.drawText(QRectF(right - 106, y, 54, kRank), Qt::AlignRight | Qt::AlignVCenter,
                     format::probability(values.probability));
    const double strongest = m_chosen.empty() ? 1.0 : std::max(m_chosen.front().weight, 1e-9);
    if (chosen) {
        painter.drawText(QRectF(right - 164, y, 54, kRank), Qt::AlignRight | Qt::AlignVCenter,
                         format::probability(values.weight));
        if (!std::isnan(values.weight))
            painter.fillRect(
                QRectF(bar_room.topLeft(), QSizeF(values.weight / strongest * bar_room.width(), bar_room.height())),
                colours().accent);
        painter.setFont(monoFont(font_size::kCaption, QFont::Bold));
    } else {
        painter.setFont(textFont(font_size::kCaption));
        painter.setPen(colours().muted_text);
        painter.drawText(QRectF(right - 184, y, 74, kRank), Qt::AlignRight | Qt::AlignVCenter, tr("not chosen"));
        const double top = m_facts.top_probability > 0.0F ? values.probability / m_facts.top_probability : 0.0;
        painter.setPen(QPen(colours().strong_border, 1.0, Qt::DashLine));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(QRectF(bar_room.left() + 0.5, bar_room.top() + 0.5,
                                std::max(std::min(top, 1.0) * bar_room.width(), 2.0), bar_room.height() - 1));
        painter.setFont(monoFont(font_size::kCaption));
    }
    painter.setPen(colours().text);
    painter.drawText(QRectF(40, y, 50, kRank), Qt::AlignRight | Qt::AlignVCenter, QString::number(values.expert));
}

}  // namespace mixoscope
