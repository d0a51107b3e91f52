// What keyboard and pointer do on every view of a token sequence: move the shared cursor, select a range, turn the
// wheel.
#pragma once

#include <QPointF>
#include <cstdint>

class QContextMenuEvent;
class QKeyEvent;
class QWheelEvent;

namespace mixoscope {

class Selection;

/// Positions that a key moves a cursor by: arrows one, Page ten, Home and End all the way; 0: not a key of a cursor.
std::int32_t cursorStep(const QKeyEvent& event);

/// A turn of the wheel in notches (touchpads send fractions); sideways with Shift or by a horizontal wheel.
struct WheelTurn {
    double notches = 0.0;
    bool sideways = false;
};
WheelTurn wheelTurn(const QWheelEvent& event);

/// What a context menu is about: by the pointer the token under it, by the keyboard the cursor.
void selectForMenu(Selection& selection, const QContextMenuEvent& event);

/// Moves the selection's cursor for one view. The view says which token is under a point and how many there are.
class TokenCursor {
public:
    explicit TokenCursor(Selection& selection) : m_selection(selection) {}

    /// Keys of cursorStep() among `tokens` positions, with Shift extending the range, and Esc, which clears the
    /// selection. False: the key is not the cursor's.
    bool pressKey(const QKeyEvent& event, std::int32_t tokens);
    /// Without a cursor the first step goes to the newest token; one that leads to the beginning goes there.
    void step(std::int32_t by, std::int32_t tokens, bool extend = false);
    /// With Shift it extends the range, otherwise it moves the cursor.
    void click(std::int32_t token, Qt::KeyboardModifiers modifiers);

    /// The left button went down on a token (−1: where no range can begin).
    void press(QPointF point, std::int32_t token);
    /// The pointer moved; `nearest` is the token nearest to it. True while the button is held since press(): the range
    /// then spans both tokens, once the pointer went far enough for a click to be ruled out.
    bool drag(QPointF point, std::int32_t nearest);
    /// The button went up; true if it was a click.
    bool release();

private:
    Selection& m_selection;
    QPointF m_press_point;
    std::int32_t m_range_start = -1;
    bool m_pressed = false;
    bool m_dragging = false;
};

}  // namespace mixoscope
