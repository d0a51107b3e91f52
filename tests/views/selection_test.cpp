#include "views/selection.h"

#include <gtest/gtest.h>

#include <QSignalSpy>

namespace mixoscope {
namespace {

TEST(Selection, emitsOnlyChanges) {
    Selection selection;
    const QSignalSpy tokens(&selection, &Selection::tokenChanged);
    const QSignalSpy all(&selection, &Selection::changed);
    selection.setToken(5);
    selection.setToken(5);
    selection.setLayer(0);
    selection.setLayer(2);
    EXPECT_EQ(tokens.count(), 1);
    EXPECT_EQ(all.count(), 2);
}

TEST(Selection, shiftClickExtendsFromTheFirstClick) {
    Selection selection;
    selection.setToken(10);
    selection.extendTo(14);
    EXPECT_EQ(selection.range(), (TokenRange{10, 15}));
    selection.extendTo(7);
    EXPECT_EQ(selection.range(), (TokenRange{7, 11}));
    EXPECT_EQ(selection.token(), 7);
    selection.setToken(20);
    EXPECT_EQ(selection.range(), (TokenRange{7, 11})) << "a click moves the cursor only";
    selection.extendTo(22);
    EXPECT_EQ(selection.range(), (TokenRange{20, 23}));
}

TEST(Selection, hoverShowsWithoutSelecting) {
    Selection selection;
    const QSignalSpy all(&selection, &Selection::changed);
    selection.setToken(3);
    selection.setHover({.token = 9, .layer = 1, .expert = -1});
    EXPECT_EQ(selection.shownToken(), 9);
    EXPECT_EQ(selection.token(), 3);
    selection.setHover({});
    EXPECT_EQ(selection.shownToken(), 3);
    EXPECT_EQ(all.count(), 1);
}

TEST(Selection, clearKeepsLayerAndLimitDropsWhatIsGone) {
    Selection selection;
    selection.setToken(30);
    selection.setRange({10, 40});
    selection.setLayer(3);
    selection.setExpert(12);
    selection.limitTo(20, 4, 8);
    EXPECT_EQ(selection.token(), -1);
    EXPECT_EQ(selection.range(), (TokenRange{10, 20}));
    EXPECT_EQ(selection.layer(), 3);
    EXPECT_EQ(selection.expert(), -1);
    selection.clear();
    EXPECT_TRUE(selection.range().isEmpty());
    EXPECT_EQ(selection.layer(), 3);
}

}  // namespace
}  // namespace mixoscope
