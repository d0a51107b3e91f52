#include "views/timeline.h"

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMenu>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>
#include <limits>

#include "views/format.h"
#include "views/heatmap_data.h"
#include "views/painting.h"
#include "views/theme.h"
#include "views/token_strip.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kLabels = 104.0;
constexpr double kRight = 96.0;
constexpr double kHeader = 24.0;
constexpr double kPositions = 18.0;

/// A vertical line a pixel column from the smallest to the largest value: as exact as the screen, and fast at any zoom.
template <typename Value>
QList<QLineF> columnLines(const TokenAxis& axis, const QRectF& track, Value&& value_of, double low, double high) {
    QList<QLineF> lines;
    const auto toY = [&](double value) {
        return track.bottom() - 2.0 - (value - low) / std::max(high - low, 1e-9) * (track.height() - 4.0);
    };
    double last_x = -1.0;
    double last_y = 0.0;
    double smallest = 0.0;
    double largest = 0.0;
    bool open = false;
    const auto flush = [&] {
        if (open && largest > smallest) lines << QLineF(last_x, toY(smallest), last_x, toY(largest));
        open = false;
    };
    for (std::int32_t token = axis.firstVisible(); token < axis.endVisible(); ++token) {
        const double value = value_of(token);
        if (std::isnan(value)) {
            flush();
            last_x = -1.0;
            continue;
        }
        const double x = std::round(axis.toX(token + 0.5) * 2.0) / 2.0;
        if (open && x - last_x < 0.75) {
            smallest = std::min(smallest, value);
            largest = std::max(largest, value);
            last_y = toY(value);
            continue;
        }
        flush();
        if (last_x >= 0.0) lines << QLineF(last_x, last_y, x, toY(value));
        last_x = x;
        last_y = toY(value);
        smallest = largest = value;
        open = true;
    }
    flush();
    return lines;
}

}  // namespace

Timeline::Timeline(Selection& selection, QWidget* parent)
    : QWidget(parent), m_selection(selection), m_cursor(selection) {
    setObjectName(u"timeline"_s);
    setAccessibleName(tr("Timeline"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    m_axis.setComfortableTokenWidth(1e-6);  // everything, however long
    connect(&m_selection, &Selection::changed, this, [this] {
        if (hasFocus()) m_axis.reveal(m_selection.token());
        setSnapshot(m_snapshot);
    });
    connect(&m_selection, &Selection::hoverChanged, this, [this] { update(); });
}

const History& Timeline::history() const {
    return shownHistory(lane(), m_selection.turn());
}

void Timeline::setSnapshot(const SnapshotPointer& snapshot) {
    m_snapshot = snapshot;
    const History& tokens = history();
    m_axis.setTokenCount(tokens.tokenCount());
    m_runs.update(tokens);
    m_data.update(tokens);
    m_marks = lane() == nullptr ? std::vector<TimelineMark>{} : marksOfTurn(*lane(), m_selection.turn());
    update();
}

QSize Timeline::sizeHint() const {
    return {800, 160};
}

QSize Timeline::minimumSizeHint() const {
    return {320, 92};
}

void Timeline::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    m_axis.setWidth(kLabels, std::max(width() - kLabels - kRight, 40.0));
    update();
}

Timeline::Tracks Timeline::tracks() const {
    Tracks tracks;
    const double w = m_axis.width();
    tracks.phase = QRectF(kLabels, kHeader, w, 20);
    tracks.settings = QRectF(kLabels, tracks.phase.bottom() + 3, w, 18);
    double y = tracks.settings.bottom() + 3;
    const double room = height() - kPositions - y;
    if (room >= 26.0) {
        tracks.thinking =
            QRectF(kLabels, y, w, room >= 60.0 ? std::min(room * 0.55, 48.0) : std::min(room - 2.0, 36.0));
        y = tracks.thinking.bottom() + 3;
    }
    if (room >= 60.0) {
        tracks.entropy = QRectF(kLabels, y, w, std::min(height() - kPositions - y - 2.0, 36.0));
        y = tracks.entropy.bottom() + 2;
    }
    tracks.positions = QRectF(kLabels, y, w, kPositions);
    return tracks;
}

void Timeline::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), colours().base);
    if (history().tokenCount() == 0) {
        paintEmptyState(
            painter, rect(),
            {.icon = u"play"_s, .title = tr("No tokens yet"), .text = tr("It starts with the first message.")});
        if (hasFocus()) paintFocusFrame(painter, rect());
        return;
    }
    const Tracks rows = tracks();
    paintHeader(painter);
    const std::pair<QRectF, QString> labels[] = {{rows.phase, tr("Phase")},
                                                 {rows.settings, tr("Settings")},
                                                 {rows.thinking, tr("Think N / B")},
                                                 {rows.entropy, tr("Entropy")},
                                                 {rows.positions, tr("Position")}};
    painter.setFont(textFont(font_size::kCaption));
    for (const auto& [track, label] : labels) {
        if (track.isEmpty()) continue;
        if (label != labels[4].second) painter.fillRect(track, colours().alternate_row);
        painter.setPen(colours().muted_text);
        painter.drawText(QRectF(0, track.top(), kLabels - 8, track.height()), Qt::AlignRight | Qt::AlignVCenter, label);
    }
    paintPhaseBands(painter, rows.phase, m_axis, m_runs.runs());
    paintThinking(painter, rows.thinking);
    paintEntropy(painter, rows.entropy);
    paintSettings(painter, rows);
    paintTokenTicks(painter, QRectF(kLabels, 0, m_axis.width(), rows.positions.top() - 3), m_axis, 60.0);
    paintSelection(painter, rows);
    if (hasFocus()) paintFocusFrame(painter, rect());
}

void Timeline::paintHeader(QPainter& painter) const {
    QRectF line(10, 0, width() - 20, kHeader);
    painter.setFont(textFont(font_size::kTable));
    painter.setPen(colours().muted_text);
    const History& tokens = history();
    QStringList parts;
    parts << tr("%1 tokens, step %2")
                 .arg(format::count(tokens.tokenCount()), format::count(tokens.token(tokens.tokenCount() - 1).step));
    if (m_selection.token() >= 0) parts << tr("selected position %1").arg(format::count(m_selection.token()));
    if (!m_selection.range().isEmpty()) {
        parts << tr("range %1, %2 tokens")
                     .arg(format::range(m_selection.range().first, m_selection.range().last - 1),
                          format::count(m_selection.range().size()));
    }
    const QString left = parts.join(u" · "_s);
    painter.drawText(line, Qt::AlignLeft | Qt::AlignVCenter, left);
    const QString hint = tr("wheel zooms · drag selects a range and filters every panel");
    const QFontMetrics metrics = painter.fontMetrics();
    if (metrics.horizontalAdvance(left) + metrics.horizontalAdvance(hint) + 24 < line.width()) {
        painter.drawText(line, Qt::AlignRight | Qt::AlignVCenter, hint);
    }
}

void Timeline::paintSettings(QPainter& painter, const Tracks& rows) const {
    const double bottom = rows.thinking.isEmpty() ? rows.settings.bottom() : rows.thinking.bottom();
    painter.save();
    painter.setClipRect(
        QRectF(kLabels - 6, rows.settings.top(), m_axis.width() + kRight, bottom - rows.settings.top()));
    painter.setFont(textFont(font_size::kCaption));
    double free_from = 0.0;
    for (std::size_t i = 0; i < m_marks.size(); ++i) {
        const double x = m_axis.toX(m_marks[i].position);
        if (x < kLabels - 1 || x > kLabels + m_axis.width() + 1) continue;
        const double y = rows.settings.center().y();
        painter.setPen(QPen(colours().accent, 1.0, Qt::DotLine));
        painter.drawLine(QPointF(x, y), QPointF(x, bottom));
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(colours().accent);
        painter.drawPolygon(QPolygonF{QPointF(x, y - 5), QPointF(x + 5, y), QPointF(x, y + 5), QPointF(x - 5, y)});
        painter.setRenderHint(QPainter::Antialiasing, false);
        const double next = i + 1 < m_marks.size() ? m_axis.toX(m_marks[i + 1].position) - 8 : 1e9;
        const double wide = painter.fontMetrics().horizontalAdvance(m_marks[i].label);
        if (x + 8 < free_from || x + 8 + wide > next) continue;
        painter.setPen(colours().text);
        painter.drawText(QPointF(x + 9, y + 4), m_marks[i].label);
        free_from = x + 16 + wide;
    }
    painter.restore();
}

void Timeline::paintThinking(QPainter& painter, const QRectF& track) const {
    if (track.isEmpty()) return;
    std::int32_t most = 1;
    std::int32_t last = -1;
    for (std::int32_t token = m_axis.firstVisible(); token < m_axis.endVisible(); ++token) {
        const auto index = static_cast<std::size_t>(token);
        if (m_data.thinking()[index] < 0) continue;
        most = std::max(most, m_data.thinking()[index]);
        if (m_data.budget()[index] != kUnlimitedBudget) most = std::max(most, m_data.budget()[index]);
        last = token;
    }
    if (last < 0) return;
    const auto absent = std::numeric_limits<double>::quiet_NaN();
    const auto thinking = [&](std::int32_t token) {
        const std::int32_t n = m_data.thinking()[static_cast<std::size_t>(token)];
        return n < 0 ? absent : static_cast<double>(n);
    };
    const auto budget = [&](std::int32_t token) {
        const std::int32_t b = m_data.budget()[static_cast<std::size_t>(token)];
        return b < 0 || b == kUnlimitedBudget ? absent : static_cast<double>(b);
    };
    // A horizontal dash each few pixels: drawn line by line, a pen's dash pattern would begin anew in each.
    QList<QLineF> dashes;
    for (const QLineF& piece : columnLines(m_axis, track, budget, 0.0, most * 1.08)) {
        if (piece.dy() != 0.0) {
            dashes << piece;
            continue;
        }
        for (double x = std::floor(piece.x1() / 8.0) * 8.0; x < piece.x2(); x += 8.0) {
            const double from = std::max(x, piece.x1());
            const double to = std::min(x + 5.0, piece.x2());
            if (to > from) dashes << QLineF(from, piece.y1(), to, piece.y1());
        }
    }
    painter.setPen(QPen(colours().series[1], 2.0));
    painter.drawLines(dashes);
    painter.setPen(QPen(phaseColour(Phase::kThinking), 2.0));
    painter.drawLines(columnLines(m_axis, track, thinking, 0.0, most * 1.08));
    const auto index = static_cast<std::size_t>(last);
    painter.setFont(textFont(font_size::kCaption, QFont::DemiBold));
    const QRectF right(kLabels + m_axis.width() + 6, track.top(), kRight - 8, track.height());
    painter.setPen(colours().series[1]);
    painter.drawText(right, Qt::AlignLeft | Qt::AlignTop, tr("B %1").arg(format::budget(m_data.budget()[index])));
    painter.setPen(phaseColour(Phase::kThinking));
    painter.drawText(right, Qt::AlignLeft | Qt::AlignBottom, tr("N %1").arg(format::count(m_data.thinking()[index])));
}

void Timeline::paintEntropy(QPainter& painter, const QRectF& track) const {
    if (track.isEmpty()) return;
    float low = 1.0F;
    float high = 0.0F;
    for (std::int32_t token = m_axis.firstVisible(); token < m_axis.endVisible(); ++token) {
        const float value = m_data.entropy()[static_cast<std::size_t>(token)];
        if (std::isnan(value)) continue;
        low = std::min(low, value);
        high = std::max(high, value);
    }
    if (low > high) {
        if (hasWeights(history())) return;
        painter.setPen(colours().muted_text);
        painter.drawText(track.adjusted(6, 0, 0, 0), Qt::AlignLeft | Qt::AlignVCenter, tr("not recorded"));
        return;
    }
    const double pad = std::max((high - low) * 0.1, 0.005);
    painter.setPen(QPen(colours().muted_text, 1.0));
    painter.drawLines(columnLines(
        m_axis, track,
        [&](std::int32_t token) { return static_cast<double>(m_data.entropy()[static_cast<std::size_t>(token)]); },
        low - pad, high + pad));
    painter.setFont(textFont(font_size::kCaption));
    painter.drawText(QRectF(kLabels + m_axis.width() + 6, track.top(), kRight - 8, track.height()),
                     Qt::AlignLeft | Qt::AlignVCenter,
                     u"%1\u2013%2"_s.arg(format::entropy(low), format::entropy(high)));
}

void Timeline::paintSelection(QPainter& painter, const Tracks& rows) const {
    const double top = rows.phase.top();
    const double bottom = rows.positions.top();
    const double left_edge = kLabels;
    const double right_edge = kLabels + m_axis.width();
    const TokenRange range = m_selection.range();
    if (!range.isEmpty()) {
        const double left = std::clamp(m_axis.toX(range.first), left_edge, right_edge);
        const double right = std::clamp(m_axis.toX(range.last), left_edge, right_edge);
        QColor tint = colours().accent;
        tint.setAlpha(40);
        painter.fillRect(QRectF(left, top, right - left, bottom - top), tint);
        painter.setPen(QPen(colours().accent, 1.0));
        painter.drawLine(QPointF(left, top), QPointF(left, bottom));
        painter.drawLine(QPointF(right, top), QPointF(right, bottom));
    }
    const auto marker = [&](std::int32_t token, const QColor& colour, double pen, bool triangle) {
        const double x = m_axis.toX(token + 0.5);
        if (token < 0 || token >= m_axis.tokenCount() || x < left_edge || x > right_edge) return;
        painter.setPen(QPen(colour, pen));
        painter.drawLine(QPointF(x, top), QPointF(x, bottom));
        if (!triangle) return;
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(Qt::NoPen);
        painter.setBrush(colour);
        painter.drawPolygon(QPolygonF{QPointF(x - 5, top - 4), QPointF(x + 5, top - 4), QPointF(x, top + 4)});
        painter.setRenderHint(QPainter::Antialiasing, false);
    };
    marker(m_selection.hover().token, colours().accent, 1.0, false);
    marker(m_selection.token(), colours().text, 1.8, true);
    const bool live = m_snapshot->state == WorkbenchState::kGenerating && m_selection.turn() < 0;
    if (live) {
        const double x = std::min(m_axis.toX(m_axis.tokenCount()), right_edge);
        painter.setPen(QPen(colours().error, 1.5));
        painter.drawLine(QPointF(x, top), QPointF(x, bottom));
    }
}

const TimelineMark* Timeline::markAt(QPointF point) const {
    const QRectF track = tracks().settings.adjusted(-8, 0, 8, 0);
    if (!track.contains(point)) return nullptr;
    const TimelineMark* best = nullptr;
    double nearest = 8.0;
    for (const TimelineMark& mark : m_marks) {
        const double away = std::abs(m_axis.toX(mark.position) - point.x());
        if (away < nearest) {
            nearest = away;
            best = &mark;
        }
    }
    return best;
}

std::int32_t Timeline::pressedToken(QPointF point) const {
    return point.x() < kLabels ? -1 : m_axis.nearestToken(point.x());
}

void Timeline::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton) m_cursor.press(event->position(), pressedToken(event->position()));
}

void Timeline::mouseMoveEvent(QMouseEvent* event) {
    if (m_cursor.drag(event->position(), m_axis.nearestToken(event->position().x()))) return;
    m_selection.setHover({.token = m_axis.tokenAt(event->position().x())});
}

void Timeline::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || !m_cursor.release()) return;
    const std::int32_t token = pressedToken(event->position());
    if (token < 0) return;
    // A click ends the filter that a drag on the timeline began.
    if ((event->modifiers() & Qt::ShiftModifier) == 0) m_selection.setRange({});
    m_cursor.click(token, event->modifiers());
}

void Timeline::leaveEvent(QEvent* event) {
    m_selection.setHover({});
    QWidget::leaveEvent(event);
}

void Timeline::wheelEvent(QWheelEvent* event) {
    if (m_axis.tokenCount() == 0) return;
    const WheelTurn turn = wheelTurn(*event);
    if (turn.sideways) {
        m_axis.panByNotches(turn.notches);
        update();
    } else {
        zoom(event->position().x(), turn.notches);
    }
    event->accept();
}

void Timeline::zoom(double about_x, double notches) {
    m_axis.setFollow(false);
    m_axis.zoomByNotches(about_x, notches);
    const bool everything = m_axis.begin() <= 0.0 && m_axis.end() >= m_axis.tokenCount();
    if (everything) m_axis.resetZoom();
    update();
}

void Timeline::keyPressEvent(QKeyEvent* event) {
    if (event->key() == Qt::Key_Plus || event->key() == Qt::Key_Minus) {
        const bool cursor = m_selection.token() >= m_axis.firstVisible() && m_selection.token() < m_axis.endVisible();
        return zoom(cursor ? m_axis.toX(m_selection.token() + 0.5) : kLabels + m_axis.width() / 2.0,
                    event->key() == Qt::Key_Plus ? 1.0 : -1.0);
    }
    if (!m_cursor.pressKey(*event, m_axis.tokenCount())) QWidget::keyPressEvent(event);
}

bool Timeline::event(QEvent* event) {
    if (event->type() != QEvent::ToolTip) return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    const std::int32_t position = m_axis.tokenAt(help->pos().x());
    if (const TimelineMark* mark = markAt(help->pos())) {
        QToolTip::showText(help->globalPos(), toolTipText(mark->details), this);
    } else if (position >= 0 && help->pos().y() > kHeader) {
        const TokenRecord& token = history().token(position);
        const double entropy = meanEntropy(history(), position);
        const QString value = !std::isnan(entropy) ? tr("mean entropy %1 of 1").arg(format::entropy(entropy))
                              : position < history().rowCount() ? tr("entropy not recorded")
                                                                : tr("not routed yet");
        QToolTip::showText(help->globalPos(),
                           toolTipText(tr("Position %1 “%2”, %3, %4\nClick selects, drag selects a range")
                                           .arg(format::count(position), format::tokenText(token.bytes),
                                                phaseName(token.trace.phase), value)),
                           this);
    } else {
        QToolTip::hideText();
    }
    return true;
}

void Timeline::contextMenuEvent(QContextMenuEvent* event) {
    QMenu menu(this);
    addExportActions(menu, *this, this);
    menu.addSeparator();
    menu.addAction(tr("Reset zoom"), this, [this] {
        m_axis.resetZoom();
        update();
    });
    menu.exec(event->globalPos());
}

QString Timeline::viewName() const {
    return u"timeline"_s;
}

QString Timeline::viewTitle() const {
    return tr("Timeline");
}

QImage Timeline::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString Timeline::csv() const {
    QString text = u"position,phase,injected,thinking_tokens,budget,mean_entropy\n"_s;
    for (std::int32_t position = 0; position < history().tokenCount(); ++position) {
        const TokenTrace& token = history().token(position).trace;
        const QStringList fields{QString::number(position),
                                 csvPhase(token.phase),
                                 QString::number((token.flags & token_flag::kInjected) != 0 ? 1 : 0),
                                 QString::number(token.thinking_tokens),
                                 csvBudget(token.budget),
                                 csvNumber(m_data.entropy()[static_cast<std::size_t>(position)])};
        text += fields.join(u',') + u'\n';
    }
    return text;
}

}  // namespace mixoscope
