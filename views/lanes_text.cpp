#include "views/lanes_text.h"

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "views/format.h"
#include "views/lane_style.h"
#include "views/painting.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kLine = 22;
constexpr int kStripe = 3;        // of the phase, at a lane's left edge
constexpr double kTextLeft = 10;  // within a lane
constexpr double kMarkerRoom = 46;
constexpr double kTokenWidth = 23;  // about what a token takes
constexpr double kNarrowestToken = 6;
constexpr int kFewestTokens = 4;
constexpr int kLinesOfNotch = 3;
constexpr int kPhaseNameFrom = 70;  // height from which the gutter names a phase

QFont rowFont() {
    return textFont(font_size::kInterface);
}

QColor withAlpha(QColor colour, int alpha) {
    colour.setAlpha(alpha);
    return colour;
}

}  // namespace

QString flowingTokenText(std::string_view bytes) {
    QString text;
    while (true) {
        const std::size_t space = bytes.find(' ');
        text += format::tokenText(bytes.substr(0, space));
        if (space == std::string_view::npos) return text;
        text += u' ';
        bytes.remove_prefix(space + 1);
    }
}

LanesText::LanesText(Selection& selection, QScrollBar& scroll, QWidget* parent)
    : QWidget(parent),
      m_selection(selection),
      m_cursor(selection),
      m_scroll(scroll),
      m_rows([this](const TokenRecord& token) { return widthOf(token); }) {
    setObjectName(u"lanes_text"_s);
    setAccessibleName(tr("Texts of the lanes"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setMinimumHeight(3 * kLine);
    connect(&m_scroll, &QScrollBar::valueChanged, this, qOverload<>(&QWidget::update));
    // By hand only: what is set from here says itself whether it follows.
    connect(&m_scroll, &QScrollBar::actionTriggered, this,
            [this] { m_follow = m_scroll.sliderPosition() >= m_scroll.maximum(); });
    connect(&m_selection, &Selection::changed, this, [this] {
        reveal(m_selection.token());
        describe();
        update();
    });
    connect(&m_selection, &Selection::hoverChanged, this, qOverload<>(&QWidget::update));
}

double LanesText::widthOf(const TokenRecord& token) const {
    const auto known = m_widths.constFind(token.trace.id);
    if (known != m_widths.constEnd()) return *known;
    const double width =
        std::max(kNarrowestToken, QFontMetricsF(rowFont()).horizontalAdvance(flowingTokenText(token.bytes)));
    m_widths.insert(token.trace.id, width);
    return width;
}

void LanesText::setComparison(const std::shared_ptr<const ComparisonSnapshot>& comparison) {
    const LaneId base = comparison && !comparison->lanes.empty() ? comparison->lanes.front().origin.lane : -1;
    if (base != m_shown_lane) {
        m_shown_lane = base;
        m_follow = true;
        m_widths.clear();  // another model may have other tokens
    }
    m_comparison = comparison;
    m_rows.update(comparison ? alignedLanes(*comparison) : std::vector<AlignedLane>{});
    syncScroll();
    update();
}

void LanesText::setColumns(const LaneColumns& columns) {
    m_columns = columns;
    fitShape();
    syncScroll();
    update();
}

void LanesText::setEmptyState(const QString& title, const QString& text) {
    m_empty_title = title;
    m_empty_text = text;
    describe();
    update();
}

void LanesText::setFollow(bool follow) {
    m_follow = follow;
    m_scroll.setValue(follow ? m_scroll.maximum() : 0);
}

void LanesText::fitShape() {
    const double room = std::max(60.0, m_columns.width - kTextLeft - kMarkerRoom);
    // Multiples of four: positions at the left edge that one can count with.
    const int tokens = std::max(kFewestTokens, static_cast<int>(room / kTokenWidth) / 4 * 4);
    m_rows.setShape(tokens, room);
}

void LanesText::syncScroll() {
    const int range = std::max(0, m_rows.lineCount() * kLine - height());
    const bool follow = m_follow;
    m_scroll.setSingleStep(kLine);
    m_scroll.setPageStep(std::max(kLine, height()));
    m_scroll.setRange(0, range);
    m_follow = follow;
    if (follow) m_scroll.setValue(range);
}

int LanesText::rowTop(std::int32_t row) const {
    return m_rows.firstLine(row) * kLine - m_scroll.value();
}

void LanesText::reveal(std::int32_t index) {
    if (index < 0 || index >= m_rows.tokenCount()) return;
    const std::int32_t row = index / m_rows.tokensPerRow();
    const int top = m_rows.firstLine(row) * kLine;
    const int bottom = m_rows.firstLine(row + 1) * kLine;
    if (top >= m_scroll.value() && bottom <= m_scroll.value() + height()) return;
    m_follow = false;
    m_scroll.setValue(top < m_scroll.value() ? top : bottom - height());
}

Phase LanesText::phaseOfRow(std::size_t lane, std::int32_t row) const {
    return m_rows.lanes()[lane].token(row * m_rows.tokensPerRow()).trace.phase;
}

QRectF LanesText::placedRect(std::size_t lane, std::int32_t row, const PlacedToken& token) const {
    return {m_columns.left(static_cast<int>(lane)) + kTextLeft + token.left,
            static_cast<double>(rowTop(row) + token.line * kLine), token.width, static_cast<double>(kLine)};
}

QRectF LanesText::tokenRect(std::size_t lane, std::int32_t index) const {
    if (lane >= m_rows.lanes().size() || index < 0 || index >= m_rows.lanes()[lane].tokens()) return {};
    const std::int32_t row = index / m_rows.tokensPerRow();
    const auto placed = m_rows.place(lane, row);
    return placedRect(lane, row, placed[static_cast<std::size_t>(index % m_rows.tokensPerRow())]);
}

std::int32_t LanesText::tokenAt(QPointF point, int& lane) const {
    lane = m_columns.laneAt(point.x());
    if (lane < 0 || m_rows.rowCount() == 0 || static_cast<std::size_t>(lane) >= m_rows.lanes().size()) return -1;
    const int line = static_cast<int>(std::floor((point.y() + m_scroll.value()) / kLine));
    if (line < 0 || line >= m_rows.lineCount()) return -1;
    const std::int32_t row = m_rows.rowAtLine(line);
    for (const PlacedToken& token : m_rows.place(static_cast<std::size_t>(lane), row)) {
        if (placedRect(static_cast<std::size_t>(lane), row, token).contains(point)) return token.index;
    }
    return -1;
}

void LanesText::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), colours().base);
    if (m_rows.rowCount() == 0) {
        paintEmptyState(painter, rect(), {u"table"_s, m_empty_title, m_empty_text});
        if (hasFocus()) paintFocusFrame(painter, rect());
        return;
    }
    const std::int32_t first = m_rows.rowAtLine(m_scroll.value() / kLine);
    std::int32_t end = first;
    while (end < m_rows.rowCount() && rowTop(end) < height()) ++end;
    for (std::int32_t row = first; row < end; ++row) {
        if (row % 2 == 0) continue;
        painter.fillRect(QRect(m_columns.gutter, rowTop(row), width(), rowTop(row + 1) - rowTop(row)),
                         colours().alternate_row);
    }
    painter.setFont(rowFont());
    for (std::size_t lane = 0; lane < m_rows.lanes().size(); ++lane) paintLane(painter, lane, first, end);
    paintGutter(painter, first, end);
    if (hasFocus()) paintFocusFrame(painter, rect());
}

void LanesText::paintGutter(QPainter& painter, std::int32_t first_row, std::int32_t end_row) const {
    const int wide = m_columns.gutter;
    painter.fillRect(QRect(0, 0, wide, height()), colours().base);
    const auto phaseAt = [&](std::int32_t row) -> int {
        const bool there = row < m_rows.rowCount() && row * m_rows.tokensPerRow() < m_rows.lanes().front().tokens();
        return there ? static_cast<int>(phaseOfRow(0, row)) : -1;
    };
    // Runs of rows of one phase of the baseline, as far as they are in sight.
    for (std::int32_t row = first_row; row < end_row;) {
        const int phase = phaseAt(row);
        std::int32_t next = row + 1;
        while (next < end_row && phaseAt(next) == phase) ++next;
        const QRect band(0, std::max(0, rowTop(row)), wide,
                         std::min(height(), rowTop(next)) - std::max(0, rowTop(row)));
        if (phase >= 0) {
            painter.fillRect(band, phaseBand(static_cast<Phase>(phase)));
            painter.fillRect(QRect(wide - kStripe, band.top(), kStripe, band.height()),
                             phaseColour(static_cast<Phase>(phase)));
            if (band.height() >= kPhaseNameFrom) {
                painter.save();
                painter.setFont(textFont(font_size::kCaption, QFont::DemiBold));
                painter.setPen(phaseColour(static_cast<Phase>(phase)));
                painter.translate(9, band.center().y());
                painter.rotate(-90.0);
                painter.drawText(QRectF(-band.height() / 2.0, -8, band.height(), 16), Qt::AlignCenter,
                                 phaseName(static_cast<Phase>(phase)));
                painter.restore();
            }
        }
        row = next;
    }
    painter.setFont(monoFont(font_size::kTick));
    painter.setPen(colours().muted_text);
    for (std::int32_t row = first_row; row < end_row; ++row) {
        painter.drawText(QRect(0, rowTop(row), wide - kStripe - 5, kLine), Qt::AlignRight | Qt::AlignVCenter,
                         format::count(row * m_rows.tokensPerRow()));
    }
}

void LanesText::paintLane(QPainter& painter, std::size_t lane, std::int32_t first_row, std::int32_t end_row) const {
    const int left = m_columns.left(static_cast<int>(lane));
    const int pinned = m_columns.gutter + (lane == 0 ? 0 : m_columns.width);
    const QRect area = QRect(left, 0, m_columns.width, height()) & QRect(pinned, 0, width() - pinned, height());
    if (area.isEmpty()) return;
    painter.save();
    painter.setClipRect(area);
    const AlignedLane& tokens = m_rows.lanes()[lane];
    for (std::int32_t row = first_row; row < end_row; ++row) {
        if (row * m_rows.tokensPerRow() >= tokens.tokens()) break;
        painter.fillRect(QRect(left + 1, rowTop(row), kStripe, rowTop(row + 1) - rowTop(row)),
                         phaseColour(phaseOfRow(lane, row)));
        for (const PlacedToken& token : m_rows.place(lane, row))
            paintToken(painter, lane, token, placedRect(lane, row, token));
        paintDivergence(painter, lane, row);
    }
    painter.setClipping(false);
    painter.fillRect(QRect(left, 0, 1, height()) & area, colours().border);
    painter.restore();
}

void LanesText::paintToken(QPainter& painter, std::size_t lane, const PlacedToken& token, const QRectF& rect) const {
    const AlignedLane& base = m_rows.lanes().front();
    const AlignedLane& tokens = m_rows.lanes()[lane];
    const ComparedLane& compared = m_comparison->lanes[lane];
    const TokenRecord& record = tokens.token(token.index);
    const QRectF cell = rect.adjusted(0, 2, -1, -2);
    const bool differs = lane > 0 && differsFrom(base, tokens, token.index);
    if (differs) painter.fillRect(cell, withAlpha(laneColour(compared.origin.tag), colours().dark ? 62 : 34));
    if ((record.trace.flags & token_flag::kInjected) != 0)
        painter.fillRect(cell, QBrush(withAlpha(phaseColour(Phase::kThinking), 110), Qt::BDiagPattern));
    if (m_selection.range().contains(token.index)) painter.fillRect(cell, withAlpha(colours().accent, 50));
    const bool markup = (record.trace.flags & (token_flag::kTag | token_flag::kEndOfTurn)) != 0;
    painter.setPen(markup ? colours().muted_text : colours().text);
    painter.drawText(rect, static_cast<int>(Qt::AlignLeft | Qt::AlignVCenter) | Qt::TextDontClip,
                     flowingTokenText(record.bytes));
    painter.setBrush(Qt::NoBrush);
    if (lane > 0 && token.index == compared.first_divergence) {
        painter.setPen(QPen(laneColour(compared.origin.tag), 2.0));
        painter.drawRect(cell.adjusted(0, 0, 0, 0));
    }
    if (token.index == m_selection.token()) {
        paintSelectionOutline(painter, cell);
    } else if (token.index == m_selection.hover().token) {
        painter.setPen(QPen(colours().accent, 1.5));
        painter.drawRect(cell);
    }
}

void LanesText::paintDivergence(QPainter& painter, std::size_t lane, std::int32_t row) const {
    const ComparedLane& compared = m_comparison->lanes[lane];
    const std::int32_t at = compared.first_divergence;
    if (lane == 0 || at < 0 || at / m_rows.tokensPerRow() != row) return;
    painter.save();
    painter.setFont(monoFont(font_size::kCaption, QFont::Bold));
    painter.setPen(laneColour(compared.origin.tag));
    const int right = m_columns.left(static_cast<int>(lane)) + m_columns.width - 5;
    painter.drawText(QRect(right - 60, rowTop(row), 60, kLine), Qt::AlignRight | Qt::AlignVCenter,
                     u"\u25C0 "_s + format::count(at));
    painter.restore();
}

void LanesText::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    syncScroll();
}

void LanesText::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) m_widths.clear();
}

void LanesText::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return;
    int lane = -1;
    const std::int32_t token = tokenAt(event->position(), lane);
    if (lane >= 0 && lane < static_cast<int>(m_rows.lanes().size()))
        m_selection.setLane(m_rows.lanes()[static_cast<std::size_t>(lane)].lane);
    if (token >= 0) m_cursor.click(token, event->modifiers());
}

void LanesText::mouseMoveEvent(QMouseEvent* event) {
    int lane = -1;
    m_selection.setHover({.token = tokenAt(event->position(), lane)});
}

void LanesText::leaveEvent(QEvent* event) {
    m_selection.setHover({});
    QWidget::leaveEvent(event);
}

void LanesText::wheelEvent(QWheelEvent* event) {
    const WheelTurn turn = wheelTurn(*event);
    if (turn.sideways) return event->ignore();  // the view scrolls sideways
    m_scroll.setValue(m_scroll.value() - static_cast<int>(std::lround(turn.notches * kLinesOfNotch * kLine)));
    m_follow = m_scroll.value() >= m_scroll.maximum();
    event->accept();
}

void LanesText::stepToken(std::int32_t by) {
    m_cursor.step(by, m_rows.tokenCount());
}

void LanesText::keyPressEvent(QKeyEvent* event) {
    const bool extend = (event->modifiers() & Qt::ShiftModifier) != 0;
    const std::int32_t row = m_rows.tokensPerRow();
    if (event->key() == Qt::Key_Up || event->key() == Qt::Key_Down) {
        m_cursor.step(event->key() == Qt::Key_Up ? -row : row, m_rows.tokenCount(), extend);
    } else if (!m_cursor.pressKey(*event, m_rows.tokenCount())) {
        QWidget::keyPressEvent(event);
    }
}

void LanesText::contextMenuEvent(QContextMenuEvent* event) {
    int lane = -1;
    const std::int32_t token = tokenAt(QPointF(event->pos()), lane);
    if (event->reason() == QContextMenuEvent::Mouse && token >= 0) {
        m_selection.setLane(m_rows.lanes()[static_cast<std::size_t>(lane)].lane);
        m_selection.setToken(token);
    }
    Q_EMIT contextMenuWanted(event->globalPos());
}

QString LanesText::describeToken(int lane, std::int32_t index) const {
    const auto at = static_cast<std::size_t>(lane);
    const AlignedLane& tokens = m_rows.lanes()[at];
    const AlignedLane& base = m_rows.lanes().front();
    const TokenRecord& record = tokens.token(index);
    const bool injected = (record.trace.flags & token_flag::kInjected) != 0;
    QStringList lines{
        tr("Lane %1, token %2: “%3”, id %4, %5")
            .arg(laneLetter(m_comparison->lanes[at].origin.tag), format::count(index), format::tokenText(record.bytes),
                 QString::number(record.trace.id),
                 injected ? tr("%1, injected").arg(phaseName(record.trace.phase)) : phaseName(record.trace.phase))};
    if (lane > 0 && differsFrom(base, tokens, index)) {
        const QString letter = laneLetter(m_comparison->lanes.front().origin.tag);
        lines << (index < base.tokens()
                      ? tr("Lane %1 has “%2” here").arg(letter, format::tokenText(base.token(index).bytes))
                      : tr("Lane %1 had ended before").arg(letter));
    }
    if (!std::isnan(record.trace.logprob))
        lines << tr("Log-probability %1").arg(format::logProbability(record.trace.logprob));
    lines << tr("Click selects the token in all lanes, Shift+click extends");
    return lines.join(u'\n');
}

bool LanesText::event(QEvent* event) {
    if (event->type() != QEvent::ToolTip) return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    int lane = -1;
    const std::int32_t index = tokenAt(help->pos(), lane);
    if (index >= 0) {
        QToolTip::showText(help->globalPos(), toolTipText(describeToken(lane, index)), this);
    } else if (help->pos().x() < m_columns.gutter && m_rows.rowCount() > 0) {
        QToolTip::showText(help->globalPos(),
                           tr("Number of the row's first token, 0 the first after the prompt; phases of lane %1")
                               .arg(laneLetter(m_comparison->lanes.front().origin.tag)),
                           this);
    } else {
        QToolTip::hideText();
    }
    return true;
}

void LanesText::describe() {
    const std::int32_t index = m_selection.token();
    if (m_rows.rowCount() == 0) return setAccessibleDescription(m_empty_title + u". "_s + m_empty_text);
    if (index < 0) return setAccessibleDescription(tr("No token is selected"));
    QStringList parts{tr("Token %1").arg(format::count(index))};
    for (std::size_t lane = 0; lane < m_rows.lanes().size(); ++lane) {
        const AlignedLane& tokens = m_rows.lanes()[lane];
        const QString letter = laneLetter(m_comparison->lanes[lane].origin.tag);
        parts << (index < tokens.tokens() ? letter + u' ' + format::tokenText(tokens.token(index).bytes)
                                          : tr("%1 none").arg(letter));
    }
    setAccessibleDescription(parts.join(u", "_s));
}

}  // namespace mixoscope
