#include "views/fork_tree.h"

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>
#include <algorithm>

#include "views/axis_ticks.h"
#include "views/format.h"
#include "views/lane_style.h"
#include "views/painting.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kTallestRow = 44;
constexpr int kLowestRow = 32;
constexpr int kTop = 4;
constexpr int kAxis = 24;
constexpr double kLeft = 14.0;
constexpr double kResultWidth = 112.0;
constexpr double kGap = 14.0;
constexpr double kLineBelow = 9.0;  // a lane's line above the row's lower edge
constexpr double kCorner = 7.0;
constexpr double kBesideBranch = 10.0;
constexpr double kNarrowestLabel = 150.0;

}  // namespace

ForkTree::ForkTree(Selection& selection, QWidget* parent) : QWidget(parent), m_selection(selection) {
    setObjectName(u"fork_tree"_s);
    setAccessibleName(tr("Tree of forks"));
    setFocusPolicy(Qt::StrongFocus);
    connect(&m_selection, &Selection::laneChanged, this, [this] {
        describeSelected();
        update();
    });
}

void ForkTree::setComparison(const std::shared_ptr<const ComparisonSnapshot>& comparison) {
    m_comparison = comparison;
    m_rows = comparison && hasForks(*comparison) ? forkTree(*comparison) : std::vector<ForkTreeRow>{};
    m_end = 1;
    for (const ForkTreeRow& row : m_rows) m_end = std::max(m_end, row.end);
    setMinimumHeight(minimumSizeHint().height());
    describeSelected();
    update();
}

int ForkTree::rowHeight() const {
    if (m_rows.empty()) return kTallestRow;
    return std::clamp((height() - kTop - kAxis) / static_cast<int>(m_rows.size()), kLowestRow, kTallestRow);
}

QRect ForkTree::rowRect(int row) const {
    return {0, kTop + row * rowHeight(), width(), rowHeight()};
}

int ForkTree::rowAt(QPoint point) const {
    const int row = (point.y() - kTop) / rowHeight();
    return point.y() >= kTop && row < static_cast<int>(m_rows.size()) ? row : -1;
}

int ForkTree::selectedRow() const {
    for (std::size_t row = 0; row < m_rows.size(); ++row) {
        if (m_comparison->lanes[m_rows[row].lane].origin.lane == m_selection.lane()) return static_cast<int>(row);
    }
    return -1;
}

void ForkTree::select(int row) {
    if (row < 0 || row >= static_cast<int>(m_rows.size())) return;
    m_selection.setLane(m_comparison->lanes[m_rows[static_cast<std::size_t>(row)].lane].origin.lane);
}

QRectF ForkTree::plot() const {
    return {kLeft, static_cast<double>(kTop), std::max(40.0, width() - kLeft - kGap - kResultWidth),
            static_cast<double>(rowHeight()) * static_cast<double>(m_rows.size())};
}

double ForkTree::xOf(std::int32_t position) const {
    return plot().left() + plot().width() * position / m_end;
}

double ForkTree::yOf(int row) const {
    return rowRect(row).bottom() - kLineBelow;
}

void ForkTree::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), colours().base);
    if (m_rows.empty()) {
        paintEmptyState(painter, rect(),
                        {.icon = u"fork"_s,
                         .title = tr("No forks yet"),
                         .text = tr("Select a token and press Ctrl+K to go on from it otherwise.")});
    } else {
        painter.setRenderHint(QPainter::Antialiasing);
        if (const int selected = selectedRow(); selected >= 0)
            painter.fillRect(rowRect(selected), colours().accent_background);
        const int rows = static_cast<int>(m_rows.size());
        for (int row = 0; row < rows; ++row) paintLine(painter, row);
        for (int row = 0; row < rows; ++row) paintBranch(painter, row);
        // Last, on a ground of their own: the branches of lanes further down pass through these rows.
        for (int row = 0; row < rows; ++row) paintLabel(painter, row);
        for (int row = 0; row < rows; ++row) paintResult(painter, row);
        paintAxis(painter);
    }
    if (hasFocus()) paintFocusFrame(painter, rect());
}

void ForkTree::paintLine(QPainter& painter, int row) const {
    const ForkTreeRow& values = m_rows[static_cast<std::size_t>(row)];
    const std::int32_t tag = m_comparison->lanes[values.lane].origin.tag;
    const double from = xOf(values.first) + (values.parent < 0 ? 0.0 : kCorner);
    painter.setPen(QPen(laneColour(tag), 2.5, Qt::SolidLine, Qt::RoundCap));
    if (xOf(values.end) > from) painter.drawLine(QPointF(from, yOf(row)), QPointF(xOf(values.end), yOf(row)));
    paintLaneMarker(painter, QPointF(std::max(from, xOf(values.end)), yOf(row)), 11, tag);
}

/// The way down from the parent's line, and where it leaves it.
void ForkTree::paintBranch(QPainter& painter, int row) const {
    const ForkTreeRow& values = m_rows[static_cast<std::size_t>(row)];
    if (values.parent < 0) return;
    const QColor colour = laneColour(m_comparison->lanes[values.lane].origin.tag);
    const double x = xOf(values.first);
    QPainterPath path(QPointF(x, yOf(values.parent)));
    path.lineTo(x, yOf(row) - kCorner);
    path.quadTo(QPointF(x, yOf(row)), QPointF(x + kCorner, yOf(row)));
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(colour, 2.0));
    painter.drawPath(path);
    painter.setBrush(colours().base);
    painter.drawEllipse(QPointF(x, yOf(values.parent)), 4.0, 4.0);
}

QRectF ForkTree::labelRect(int row) const {
    const ForkTreeRow& values = m_rows[static_cast<std::size_t>(row)];
    const QRectF area = plot();
    const double top = rowRect(row).top() + 1.0;
    const double height = yOf(row) - top - 4.0;
    if (values.parent < 0) return {area.left(), top, area.width(), height};
    // Right of the branch that comes down; left of it where a fork begins so late that there is more room.
    const double x = xOf(values.first);
    const double right = area.right() - x - kBesideBranch;
    if (right >= kNarrowestLabel || right >= x - area.left()) return {x + kBesideBranch, top, right, height};
    return {area.left(), top, x - kBesideBranch - area.left(), height};
}

void ForkTree::paintLabel(QPainter& painter, int row) const {
    const ForkTreeRow& values = m_rows[static_cast<std::size_t>(row)];
    const std::int32_t tag = m_comparison->lanes[values.lane].origin.tag;
    const QRectF room = labelRect(row);
    const QFont bold = textFont(font_size::kTable, QFont::DemiBold);
    const QFont mono = monoFont(font_size::kCaption);
    const QString letter = laneLetter(tag);
    const double letter_width = QFontMetricsF(bold).horizontalAdvance(letter) + 6.0;
    const QString change =
        QFontMetricsF(mono).elidedText(values.change, Qt::ElideRight, std::max(0.0, room.width() - letter_width));
    const double wide = letter_width + QFontMetricsF(mono).horizontalAdvance(change);
    const bool left_of_branch = room.right() < xOf(values.first);
    QRectF text(left_of_branch ? room.right() - wide : room.left(), room.top(), wide, room.height());
    painter.fillRect(text.adjusted(-2.0, 2.0, 2.0, 0.0),
                     row == selectedRow() ? colours().accent_background : colours().base);
    painter.setFont(bold);
    painter.setPen(laneColour(tag));
    painter.drawText(text, Qt::AlignLeft | Qt::AlignBottom, letter);
    text.setLeft(text.left() + letter_width);
    painter.setFont(mono);
    painter.setPen(colours().text);
    painter.drawText(text, Qt::AlignLeft | Qt::AlignBottom | Qt::TextSingleLine | Qt::TextDontClip, change);
}

void ForkTree::paintResult(QPainter& painter, int row) const {
    const ForkTreeRow& values = m_rows[static_cast<std::size_t>(row)];
    const QRectF room(width() - kResultWidth - 6.0, rowRect(row).top() + 2.0, kResultWidth,
                      rowRect(row).height() - 5.0);
    painter.setFont(textFont(font_size::kTable, QFont::DemiBold));
    painter.setPen(values.answer.isEmpty() ? colours().muted_text : colours().text);
    const QString answer = values.answer.isEmpty() ? format::kAbsent : values.answer;
    painter.drawText(room, Qt::AlignRight | Qt::AlignTop,
                     painter.fontMetrics().elidedText(answer, Qt::ElideLeft, static_cast<int>(room.width())));
    painter.setFont(textFont(font_size::kCaption));
    painter.setPen(colours().muted_text);
    painter.drawText(room, Qt::AlignRight | Qt::AlignBottom, values.verdict);
}

void ForkTree::paintAxis(QPainter& painter) const {
    const QRectF area = plot();
    painter.setPen(QPen(colours().strong_border, 1.0));
    painter.drawLine(QPointF(area.left(), area.bottom() + 4.0), QPointF(area.right(), area.bottom() + 4.0));
    painter.setFont(monoFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    const QString title = tr("position");
    const double title_width = QFontMetricsF(textFont(font_size::kCaption)).horizontalAdvance(title) + 8.0;
    for (const std::int32_t tick : integerTicks(0.0, static_cast<double>(m_end), area.width() / m_end, 46.0)) {
        const double x = xOf(tick);
        if (x + 20.0 > area.right() + kGap) continue;
        painter.drawText(QRectF(x - 22.0, area.bottom() + 6.0, 44.0, 14.0), Qt::AlignCenter, format::count(tick));
    }
    painter.setFont(textFont(font_size::kCaption));
    painter.drawText(QRectF(area.right() + kGap, area.bottom() + 6.0, title_width, 14.0),
                     Qt::AlignLeft | Qt::AlignVCenter, title);
    painter.drawText(QRectF(width() - kResultWidth - 6.0, area.bottom() + 6.0, kResultWidth, 14.0),
                     Qt::AlignRight | Qt::AlignVCenter, tr("answer"));
}

QString ForkTree::describe(int row) const {
    const ForkTreeRow& values = m_rows[static_cast<std::size_t>(row)];
    const ComparedLane& lane = m_comparison->lanes[values.lane];
    QStringList lines;
    if (values.parent < 0) {
        lines << tr("Lane %1, from its prompt: %2").arg(laneLetter(lane.origin.tag), values.change);
    } else {
        const ComparedLane& parent = m_comparison->lanes[m_rows[static_cast<std::size_t>(values.parent)].lane];
        lines << tr("Lane %1 goes on from lane %2 at position %3")
                     .arg(laneLetter(lane.origin.tag), laneLetter(parent.origin.tag), format::count(values.first))
              << tr("Changed: %1").arg(values.change);
        if (!values.token.isEmpty()) lines << tr("Its first token: “%1”").arg(values.token);
    }
    lines << tr("%1 tokens, answer: %2")
                 .arg(format::count(values.end), values.answer.isEmpty() ? format::kAbsent : values.answer);
    if (!values.verdict.isEmpty()) lines << values.verdict;
    return lines.join(u'\n');
}

void ForkTree::describeSelected() {
    const int row = selectedRow();
    setAccessibleDescription(row < 0 ? tr("%1 lanes").arg(m_rows.size()) : describe(row));
}

bool ForkTree::event(QEvent* event) {
    if (event->type() != QEvent::ToolTip) return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    const int row = rowAt(help->pos());
    if (row >= 0) {
        QToolTip::showText(help->globalPos(), toolTipText(describe(row) + u'\n' + tr("Click selects the lane")), this);
    } else {
        QToolTip::hideText();
    }
    return true;
}

void ForkTree::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton) select(rowAt(event->position().toPoint()));
}

void ForkTree::keyPressEvent(QKeyEvent* event) {
    const int row = selectedRow();
    switch (event->key()) {
        case Qt::Key_Up:
            return select(std::max(0, row - 1));
        case Qt::Key_Down:
            return select(std::min(static_cast<int>(m_rows.size()) - 1, row + 1));
        case Qt::Key_Home:
            return select(0);
        case Qt::Key_End:
            return select(static_cast<int>(m_rows.size()) - 1);
        default:
            QWidget::keyPressEvent(event);
    }
}

void ForkTree::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

QString ForkTree::viewName() const {
    return u"forks"_s;
}

QString ForkTree::viewTitle() const {
    return tr("Forks");
}

QImage ForkTree::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QSize ForkTree::minimumSizeHint() const {
    return {260, std::max(120, kTop + kAxis + kLowestRow * static_cast<int>(m_rows.size()))};
}

QSize ForkTree::sizeHint() const {
    return {420, std::max(160, kTop + kAxis + kTallestRow * static_cast<int>(m_rows.size()))};
}

QString ForkTree::csv() const {
    QString text = u"lane,parent,position,token,change,policy,budget,tokens,first_divergence,answer\n"_s;
    for (const ForkTreeRow& row : m_rows) {
        const ComparedLane& lane = m_comparison->lanes[row.lane];
        const LaneSettings& settings = lane.free.settings;
        const bool fork = row.parent >= 0;
        const QString parent =
            fork ? laneLetter(m_comparison->lanes[m_rows[static_cast<std::size_t>(row.parent)].lane].origin.tag)
                 : QString();
        const QStringList fields{laneLetter(lane.origin.tag),
                                 parent,
                                 fork ? QString::number(row.first) : QString(),
                                 csvField(row.token),
                                 csvField(fork ? row.change : QString()),
                                 csvField(QString::fromStdString(settings.policy)),
                                 csvBudget(settings.budget),
                                 QString::number(row.end),
                                 lane.first_divergence < 0 ? QString() : QString::number(lane.first_divergence),
                                 csvField(row.answer)};
        text += fields.join(u',') + u'\n';
    }
    return text;
}

}  // namespace mixoscope
