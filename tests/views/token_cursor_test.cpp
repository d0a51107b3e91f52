#include "views/token_cursor.h"

#include <gtest/gtest.h>

#include <QKeyEvent>
#include <QWheelEvent>

#include "views/selection.h"

namespace mixoscope {
namespace {

class TokenCursorTest : public testing::Test {
protected:
    bool press(int key, Qt::KeyboardModifiers modifiers = {}) {
        const QKeyEvent event(QEvent::KeyPress, key, modifiers);
        return cursor.pressKey(event, 40);
    }
    Selection selection;
    TokenCursor cursor{selection};
};

TEST_F(TokenCursorTest, KeysMoveWithinTheTokens) {
    EXPECT_TRUE(press(Qt::Key_PageUp));
    EXPECT_EQ(selection.token(), 39) << "without a cursor the newest token comes first";
    press(Qt::Key_Left);
    EXPECT_EQ(selection.token(), 38);
    press(Qt::Key_PageUp);
    EXPECT_EQ(selection.token(), 28);
    press(Qt::Key_PageDown);
    press(Qt::Key_PageDown);
    EXPECT_EQ(selection.token(), 39);
    press(Qt::Key_Right);
    EXPECT_EQ(selection.token(), 39);
    press(Qt::Key_Home);
    EXPECT_EQ(selection.token(), 0);
    press(Qt::Key_End);
    EXPECT_EQ(selection.token(), 39);
    EXPECT_TRUE(press(Qt::Key_Escape));
    EXPECT_EQ(selection.token(), -1);
    press(Qt::Key_Home);
    EXPECT_EQ(selection.token(), 0);
    EXPECT_FALSE(press(Qt::Key_A)) << "left to the view";
}

TEST_F(TokenCursorTest, ShiftExtendsTheRange) {
    selection.setToken(10);
    press(Qt::Key_Right, Qt::ShiftModifier);
    press(Qt::Key_Right, Qt::ShiftModifier);
    EXPECT_EQ(selection.range(), (TokenRange{10, 13}));
    cursor.click(4, Qt::ShiftModifier);
    EXPECT_EQ(selection.range(), (TokenRange{4, 11}));
    cursor.click(20, {});
    EXPECT_EQ(selection.token(), 20);
    EXPECT_EQ(selection.range(), (TokenRange{4, 11})) << "a click moves the cursor only";
}

TEST_F(TokenCursorTest, NoTokensNoCursor) {
    cursor.step(1, 0);
    EXPECT_EQ(selection.token(), -1);
}

TEST_F(TokenCursorTest, APressBecomesADragOnceThePointerWentFarEnough) {
    EXPECT_FALSE(cursor.drag({5, 5}, 7)) << "no button is down";
    cursor.press({100, 20}, 30);
    EXPECT_TRUE(cursor.drag({102, 21}, 31));
    EXPECT_TRUE(selection.range().isEmpty()) << "a hand trembles";
    EXPECT_TRUE(cursor.release()) << "so it was a click";
    cursor.press({100, 20}, 30);
    EXPECT_TRUE(cursor.drag({60, 20}, 22));
    EXPECT_EQ(selection.range(), (TokenRange{22, 31}));
    EXPECT_TRUE(cursor.drag({140, 20}, 36));
    EXPECT_EQ(selection.range(), (TokenRange{30, 37}));
    EXPECT_FALSE(cursor.release());
    EXPECT_FALSE(cursor.drag({200, 20}, 39)) << "the button is up";
    cursor.press({10, 20}, -1);
    EXPECT_FALSE(cursor.drag({90, 20}, 22)) << "no range begins outside the tokens";
    EXPECT_EQ(selection.range(), (TokenRange{30, 37}));
}

TEST(WheelTurn, CountsNotchesAndTellsTheDirection) {
    const auto turn = [](QPoint angle, Qt::KeyboardModifiers modifiers) {
        const QWheelEvent event({}, {}, {}, angle, Qt::NoButton, modifiers, Qt::NoScrollPhase, false);
        return wheelTurn(event);
    };
    EXPECT_DOUBLE_EQ(turn({0, -240}, {}).notches, -2.0);
    EXPECT_FALSE(turn({0, -240}, {}).sideways);
    EXPECT_TRUE(turn({0, 120}, Qt::ShiftModifier).sideways);
    EXPECT_DOUBLE_EQ(turn({0, 120}, Qt::ShiftModifier).notches, 1.0);
    EXPECT_TRUE(turn({30, 10}, {}).sideways);
    EXPECT_DOUBLE_EQ(turn({30, 10}, {}).notches, 0.25) << "touchpads send parts of a notch";
}

}  // namespace
}  // namespace mixoscope
