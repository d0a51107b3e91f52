// The slider of the budget control and the mapping between budgets and places on it.
#include <QFontMetricsF>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <array>
#include <cmath>

#include "views/budget_control.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kFirstOctave = 16.0;
constexpr double kFirstPlace = 0.07;
constexpr double kOctavesPlace = 0.85;
constexpr double kOctaves = 11.0;               // 16 … 32,768
constexpr double kUnlimitedFrom = 0.97;         // the handle snaps to unlimited
constexpr std::int32_t kLargestBudget = 32768;  // by slider and keys; the field takes more
constexpr int kSliderSteps = 10000;             // QAbstractSlider's whole-number value, for assistive technology
constexpr double kHandleRadius = 8.0;

struct Tick {
    std::int32_t budget;
    const char* label;
};
constexpr std::array<Tick, 5> kTicks = {{{0, "0"}, {128, "128"}, {1024, "1k"}, {8192, "8k"}, {kLargestBudget, "32k"}}};

}  // namespace

double budgetPlace(std::int32_t budget) {
    if (budget == kUnlimitedBudget) return 1.0;
    if (budget <= 0) return 0.0;
    if (budget < kFirstOctave) return kFirstPlace * budget / kFirstOctave;
    return std::min(0.99, kFirstPlace + kOctavesPlace * std::log2(budget / kFirstOctave) / kOctaves);
}

std::int32_t budgetAtPlace(double place) {
    if (place >= kUnlimitedFrom) return kUnlimitedBudget;
    if (place <= 0.0) return 0;
    if (place < kFirstPlace) return static_cast<std::int32_t>(std::lround(place / kFirstPlace * kFirstOctave));
    const double exact = kFirstOctave * std::exp2((place - kFirstPlace) / kOctavesPlace * kOctaves);
    const double step = std::max(1.0, std::exp2(std::floor(std::log2(exact)) - 5.0));
    return std::min(kLargestBudget, static_cast<std::int32_t>(std::lround(std::round(exact / step) * step)));
}

std::int32_t scaledBudget(std::int32_t budget, double octaves) {
    if (budget == kUnlimitedBudget) return octaves < 0.0 ? kLargestBudget : budget;
    if (octaves > 0.0 && budget >= kLargestBudget) return kUnlimitedBudget;
    const auto scaled = static_cast<std::int32_t>(std::lround(budget * std::exp2(octaves)));
    // Small numbers would not move by a quarter octave.
    if (octaves > 0.0) return std::min(kLargestBudget, std::max(scaled, budget + 1));
    return std::max(0, std::min(scaled, budget - 1));
}

BudgetSlider::BudgetSlider(QWidget* parent) : QAbstractSlider(parent) {
    setObjectName(u"budget_slider"_s);
    setOrientation(Qt::Horizontal);
    setRange(0, kSliderSteps);
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Thinking budget"));
    setBudget(m_budget);
    updateTexts();
}

void BudgetSlider::setBudget(std::int32_t budget) {
    if (m_dragging) return;
    move(budget);
}

void BudgetSlider::move(std::int32_t budget) {
    m_budget = budget;
    setValue(static_cast<int>(std::lround(budgetPlace(budget) * kSliderSteps)));
    updateTexts();
    update();
}

void BudgetSlider::setUsed(std::int32_t thinking_tokens, bool thinking) {
    if (m_used == thinking_tokens && m_thinking == thinking) return;
    m_used = thinking_tokens;
    m_thinking = thinking;
    updateTexts();
    update();
}

void BudgetSlider::updateTexts() {
    const QString amount =
        m_budget == kUnlimitedBudget ? tr("unlimited") : tr("%1 tokens").arg(format::count(m_budget));
    setAccessibleDescription(m_used > 0 ? tr("%1, %2 used").arg(amount, format::count(m_used)) : amount);
}

QRectF BudgetSlider::groove() const {
    return {kHandleRadius + 1, 9.0, width() - 2 * (kHandleRadius + 1), 4.0};
}

double BudgetSlider::placeAt(double x) const {
    return std::clamp((x - groove().left()) / groove().width(), 0.0, 1.0);
}

QPoint BudgetSlider::handleCentre(std::int32_t budget) const {
    return QPointF(groove().left() + budgetPlace(budget) * groove().width(), groove().center().y()).toPoint();
}

void BudgetSlider::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const ThemeColours& c = colours();
    const QRectF whole = groove();
    const auto x = [&](std::int32_t budget) { return whole.left() + budgetPlace(budget) * whole.width(); };
    const auto fill = [&](double from, double to, const QColor& colour) {
        if (to <= from) return;
        painter.setPen(Qt::NoPen);
        painter.setBrush(colour);
        painter.drawRoundedRect(QRectF(from, whole.top(), to - from, whole.height()), 2, 2);
    };
    QColor pale = c.accent;
    pale.setAlphaF(0.45F);
    QColor rest = c.strong_border;
    rest.setAlphaF(0.5F);
    fill(whole.left(), whole.right(), isEnabled() ? rest : c.border);
    if (isEnabled()) {
        fill(whole.left(), x(m_budget), pale);
        fill(whole.left(), x(std::min(m_used, m_budget)), phaseColour(Phase::kThinking));
    }

    painter.setFont(monoFont(font_size::kTick));
    painter.setPen(isEnabled() ? c.muted_text : c.disabled_text);
    const auto tick = [&](double at, const QString& label) {
        painter.drawLine(QPointF(at, 19), QPointF(at, 22));
        const double width = QFontMetricsF(painter.font()).horizontalAdvance(label);
        const double left = std::clamp(at - width / 2, 0.0, this->width() - width);
        painter.drawText(QPointF(left, 33), label);
    };
    for (const Tick& entry : kTicks) {
        // 32k and ∞ lie close together on a short slider.
        if (entry.budget == kLargestBudget && whole.width() < 190) continue;
        tick(x(entry.budget), QString::fromLatin1(entry.label));
    }
    tick(whole.right(), u"∞"_s);

    if (!isEnabled()) return;
    const QPointF centre(x(m_budget), whole.center().y());
    painter.setPen(QPen(c.accent, hasFocus() ? 3 : 2));
    painter.setBrush(c.base);
    painter.drawEllipse(centre, kHandleRadius - 1, kHandleRadius - 1);
    if (hasFocus()) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(c.accent);
        painter.drawEllipse(centre, 2.5, 2.5);
    }
}

void BudgetSlider::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return;
    m_before_drag = m_budget;
    m_dragging = true;
    setSliderDown(true);
    mouseMoveEvent(event);
}

void BudgetSlider::mouseMoveEvent(QMouseEvent* event) {
    if (!m_dragging) return;
    move(budgetAtPlace(placeAt(event->position().x())));
    Q_EMIT budgetPreviewed(m_budget);
    const QString tip = m_thinking && m_budget <= m_used
                            ? tr("%1: closes at the next token").arg(format::budget(m_budget))
                            : format::budget(m_budget);
    QToolTip::showText(event->globalPosition().toPoint() + QPoint(0, 12), tip, this);
}

void BudgetSlider::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || !m_dragging) return;
    m_dragging = false;
    setSliderDown(false);
    QToolTip::hideText();
    if (m_budget != m_before_drag) Q_EMIT budgetChosen(m_budget);
}

void BudgetSlider::keyPressEvent(QKeyEvent* event) {
    std::int32_t next = m_budget;
    switch (event->key()) {
        case Qt::Key_Left:
        case Qt::Key_Down:
            next = scaledBudget(m_budget, -0.25);
            break;
        case Qt::Key_Right:
        case Qt::Key_Up:
            next = scaledBudget(m_budget, 0.25);
            break;
        case Qt::Key_PageDown:
            next = scaledBudget(m_budget, -1.0);
            break;
        case Qt::Key_PageUp:
            next = scaledBudget(m_budget, 1.0);
            break;
        case Qt::Key_Home:
            next = 0;
            break;
        case Qt::Key_End:
            next = kUnlimitedBudget;
            break;
        case Qt::Key_Escape:
            if (m_dragging) {
                m_dragging = false;
                setSliderDown(false);
                move(m_before_drag);
                Q_EMIT budgetPreviewed(m_budget);
                return;
            }
            [[fallthrough]];
        default:
            event->ignore();
            return;
    }
    if (next == m_budget) return;
    move(next);
    Q_EMIT budgetChosen(next);
}

void BudgetSlider::changeEvent(QEvent* event) {
    QAbstractSlider::changeEvent(event);
    update();
}

bool BudgetSlider::event(QEvent* event) {
    if (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut) update();
    return QAbstractSlider::event(event);
}

}  // namespace mixoscope
