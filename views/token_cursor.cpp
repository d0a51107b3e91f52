#include "views/token_cursor.h"

#include <QContextMenuEvent>
#include <QKeyEvent>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>

#include "views/selection.h"

namespace mixoscope {
namespace {

constexpr int kDragPixels = 4;
constexpr double kNotch = 120.0;  // eighths of a degree, as Qt counts them
constexpr std::int32_t kAllTheWay = 1 << 29;

}  // namespace

std::int32_t cursorStep(const QKeyEvent& event) {
    switch (event.key()) {
        case Qt::Key_Left:
            return -1;
        case Qt::Key_Right:
            return 1;
        case Qt::Key_PageUp:
            return -10;
        case Qt::Key_PageDown:
            return 10;
        case Qt::Key_Home:
            return -kAllTheWay;
        case Qt::Key_End:
            return kAllTheWay;
        default:
            return 0;
    }
}

WheelTurn wheelTurn(const QWheelEvent& event) {
    const QPoint angle = event.angleDelta();
    const bool sideways = (event.modifiers() & Qt::ShiftModifier) != 0 || std::abs(angle.x()) > std::abs(angle.y());
    return {.notches = (sideways && angle.x() != 0 ? angle.x() : angle.y()) / kNotch, .sideways = sideways};
}

void selectForMenu(Selection& selection, const QContextMenuEvent& event) {
    if (event.reason() != QContextMenuEvent::Mouse) return;
    const Hover hover = selection.hover();
    if (hover.token >= 0) selection.setToken(hover.token);
    if (hover.layer >= 0) selection.setLayer(hover.layer);
    if (hover.expert >= 0) selection.setExpert(hover.expert);
}

bool TokenCursor::pressKey(const QKeyEvent& event, std::int32_t tokens) {
    if (event.key() == Qt::Key_Escape) {
        m_selection.clear();
        return true;
    }
    const std::int32_t by = cursorStep(event);
    if (by != 0) step(by, tokens, (event.modifiers() & Qt::ShiftModifier) != 0);
    return by != 0;
}

void TokenCursor::step(std::int32_t by, std::int32_t tokens, bool extend) {
    if (tokens <= 0) return;
    const std::int32_t newest = tokens - 1;
    const std::int32_t from = m_selection.token();
    const std::int32_t to = from >= 0 ? std::clamp(from + by, 0, newest) : by <= -tokens ? 0 : newest;
    if (extend) {
        m_selection.extendTo(to);
    } else {
        m_selection.setToken(to);
    }
}

void TokenCursor::click(std::int32_t token, Qt::KeyboardModifiers modifiers) {
    if ((modifiers & Qt::ShiftModifier) != 0) {
        m_selection.extendTo(token);
    } else {
        m_selection.setToken(token);
    }
}

void TokenCursor::press(QPointF point, std::int32_t token) {
    m_press_point = point;
    m_range_start = token;
    m_pressed = true;
    m_dragging = false;
}

bool TokenCursor::drag(QPointF point, std::int32_t nearest) {
    if (!m_pressed || m_range_start < 0) return false;
    m_dragging |= (point - m_press_point).manhattanLength() > kDragPixels;
    if (m_dragging) m_selection.setRange({std::min(m_range_start, nearest), std::max(m_range_start, nearest) + 1});
    return true;
}

bool TokenCursor::release() {
    const bool click = m_pressed && !m_dragging;
    m_pressed = false;
    m_dragging = false;
    return click;
}

}  // namespace mixoscope
