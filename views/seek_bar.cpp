#include "views/seek_bar.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>
#include <utility>

#include "views/format.h"
#include "views/painting.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kHandle = 5.0;
constexpr double kGrooveHeight = 14.0;
constexpr double kPhaseLine = 4.0;

}  // namespace

SeekBar::SeekBar(QWidget* parent) : QAbstractSlider(parent), m_index(std::make_shared<PlaybackIndex>()) {
    setObjectName(u"seek_bar"_s);
    setOrientation(Qt::Horizontal);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Place in the recording"));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    setRange(0, 0);
}

void SeekBar::setIndex(std::shared_ptr<const PlaybackIndex> index) {
    if (index == m_index) return;
    m_index = std::move(index);
    m_runs.clear();
    m_loop = {};
    std::int64_t row = 0;
    for (const PlaybackStep& step : m_index->steps) {
        if (m_runs.empty() || step.begins_turn || step.phase != m_runs.back().phase)
            m_runs.push_back({.first = row, .end = row, .phase = step.phase, .begins_turn = step.begins_turn});
        m_runs.back().end = row = step.rows;
    }
    // Whole numbers are for assistive technology only.
    setRange(0, static_cast<int>(std::min<std::int64_t>(m_index->rows(), 1'000'000'000)));
    update();
}

void SeekBar::setStep(std::int64_t step) {
    if (m_dragging || step == m_step) return;
    m_step = step;
    setValue(static_cast<int>(std::min<std::int64_t>(m_index->rowsAt(std::min(step, m_index->count())), maximum())));
    setAccessibleDescription(describe(m_step));
    update();
}

void SeekBar::setBookmarks(std::vector<std::int64_t> rows) {
    m_bookmarks = std::move(rows);
    update();
}

void SeekBar::setLoop(const PlaybackLoop& loop) {
    if (loop == m_loop || m_loop_from > 0) return;
    m_loop = loop;
    update();
}

void SeekBar::setReadShare(double share) {
    if (share == m_read) return;
    m_read = share;
    update();
}

QRectF SeekBar::groove() const {
    return {kHandle, (height() - kGrooveHeight) / 2.0, std::max(width() - 2 * kHandle, 1.0), kGrooveHeight};
}

double SeekBar::toX(std::int64_t row) const {
    const auto rows = static_cast<double>(std::max<std::int64_t>(m_index->rows(), 1));
    return groove().left() + groove().width() * static_cast<double>(row) / rows;
}

std::int64_t SeekBar::stepAt(double x) const {
    const double place = std::clamp((x - groove().left()) / groove().width(), 0.0, 1.0);
    const auto row = static_cast<std::int64_t>(std::lround(place * static_cast<double>(m_index->rows())));
    return m_index->stepOfRow(std::max<std::int64_t>(row, 1));
}

QPoint SeekBar::pointOf(std::int64_t step) const {
    return QPointF(toX(m_index->rowsAt(step)), groove().center().y()).toPoint();
}

void SeekBar::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    const ThemeColours& c = colours();
    const QRectF all = groove();
    painter.fillRect(all, c.alternate_row);
    for (const Run& run : m_runs) {
        const QRectF band(toX(run.first), all.top(), toX(run.end) - toX(run.first), all.height());
        painter.fillRect(band, phaseBand(run.phase));
        painter.fillRect(QRectF(band.left(), band.bottom() - kPhaseLine, band.width(), kPhaseLine),
                         phaseColour(run.phase));
    }
    for (const Run& run : m_runs) {
        if (!run.begins_turn || run.first == 0) continue;
        painter.fillRect(QRectF(std::round(toX(run.first)) - 1, all.top() - 3, 2, all.height() + 6), c.strong_border);
    }
    if (m_read < 1.0) painter.fillRect(QRectF(all.left(), all.top(), all.width() * m_read, all.height()), c.accent);
    painter.setPen(c.strong_border);
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(all.adjusted(0, 0, -1, -1));
    if (m_index->count() > 0) {
        paintLoop(painter);
        paintBookmarks(painter);
    }
    if (m_index->count() > 0) {
        const double x = toX(m_index->rowsAt(std::min(m_step, m_index->count())));
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(c.base, 1.0));
        painter.setBrush(isEnabled() ? c.accent : c.disabled_text);
        painter.drawRoundedRect(QRectF(x - 4, 3, 8, height() - 6), 3, 3);
    }
    if (hasFocus()) paintFocusFrame(painter, rect());
}

/// What is not played is dimmed, and the ends have flags with their names.
void SeekBar::paintLoop(QPainter& painter) const {
    if (m_loop.first < 1) return;
    const ThemeColours& c = colours();
    const QRectF all = groove();
    const double first = toX(m_index->rowsAt(std::min(m_loop.first, m_index->count())));
    const double last = toX(m_index->rowsAt(std::min(std::max(m_loop.last, m_loop.first), m_index->count())));
    if (m_loop.set()) {
        QColor dim = c.base;
        dim.setAlphaF(0.65F);
        painter.fillRect(QRectF(all.left(), all.top() + 1, first - all.left(), all.height() - 2), dim);
        painter.fillRect(QRectF(last, all.top() + 1, all.right() - last, all.height() - 2), dim);
    }
    painter.setFont(textFont(font_size::kTick, QFont::DemiBold));
    const auto flag = [&](double x, const QString& name, bool to_left) {
        painter.fillRect(QRectF(std::round(x) - 1, 1, 2, height() - 2), c.accent);
        const QRectF box(to_left ? x - 12 : x + 1, height() - 12, 11, 11);
        painter.fillRect(box, c.accent);
        painter.setPen(c.text_on_accent);
        painter.drawText(box, Qt::AlignCenter, name);
    };
    flag(first, u"A"_s, true);
    if (m_loop.set()) flag(last, u"B"_s, false);
}

void SeekBar::paintBookmarks(QPainter& painter) const {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(colours().base, 1.0));
    painter.setBrush(colours().series[4]);
    for (const std::int64_t row : m_bookmarks) {
        const double x = toX(std::min(row, m_index->rows()));
        painter.drawPolygon(QPolygonF({{x - 4, 0.5}, {x + 4, 0.5}, {x + 4, 10}, {x, 7}, {x - 4, 10}}));
    }
    painter.restore();
}

void SeekBar::choose(QMouseEvent& event) {
    const std::int64_t step = stepAt(event.position().x());
    QToolTip::showText(event.globalPosition().toPoint() + QPoint(0, 12), describe(step), this);
    if (step == m_step) return;
    m_step = step;
    update();
    Q_EMIT stepChosen(step);
}

QString SeekBar::describe(std::int64_t step) const {
    if (step < 1 || step > m_index->count()) return {};
    return tr("Token %1 of %2, %3")
        .arg(format::count(m_index->rowsAt(step)), format::count(m_index->rows()),
             phaseName(m_index->step(step).phase));
}

void SeekBar::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || m_index->count() == 0) return;
    if (event->modifiers() == Qt::ShiftModifier) {
        m_loop_from = stepAt(event->position().x());
        m_loop = {.first = m_loop_from, .last = 0};
        return update();
    }
    m_dragging = true;
    choose(*event);
}

void SeekBar::mouseMoveEvent(QMouseEvent* event) {
    if (m_loop_from > 0) {
        const std::int64_t to = stepAt(event->position().x());
        m_loop = {.first = std::min(m_loop_from, to), .last = std::max(m_loop_from, to)};
        update();
    } else if (m_dragging) {
        choose(*event);
    }
}

void SeekBar::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return;
    m_dragging = false;
    if (std::exchange(m_loop_from, 0) > 0) Q_EMIT loopChosen(m_loop.first, m_loop.last);
}

void SeekBar::keyPressEvent(QKeyEvent* event) {
    event->ignore();
}

void SeekBar::changeEvent(QEvent* event) {
    QAbstractSlider::changeEvent(event);
    update();
}

bool SeekBar::event(QEvent* event) {
    if (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut) update();
    if (event->type() == QEvent::ToolTip && m_index->count() > 0) {
        const auto* help = static_cast<QHelpEvent*>(event);
        QToolTip::showText(
            help->globalPos(),
            tr("%1\nGo there by a click; Shift and drag for a loop").arg(describe(stepAt(help->pos().x()))), this);
        return true;
    }
    return QAbstractSlider::event(event);
}

}  // namespace mixoscope
