#include "views/budget_control.h"

#include <gtest/gtest.h>

#include <QPushButton>
#include <QSignalSpy>
#include <QTest>
#include <QUndoStack>
#include <cmath>

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

struct Shown {
    Shown() : control(undo) {
        control.resize(620, 58);
        control.show();
        EXPECT_TRUE(QTest::qWaitForWindowExposed(&control));
        QObject::connect(&control, &BudgetControl::budgetSet, &control,
                         [this](std::int32_t budget) { set.push_back(budget); });
    }
    void drag(std::int32_t from, std::initializer_list<std::int32_t> through) {
        BudgetSlider& slider = control.slider();
        QTest::mousePress(&slider, Qt::LeftButton, Qt::NoModifier, slider.handleCentre(from));
        QPoint last;
        for (const std::int32_t budget : through) {
            last = slider.handleCentre(budget);
            QTest::mouseMove(&slider, last);
        }
        QTest::mouseRelease(&slider, Qt::LeftButton, Qt::NoModifier, last);
    }
    QUndoStack undo;
    BudgetControl control;
    std::vector<std::int32_t> set;
};

TEST(BudgetPlace, FollowsTheLogarithmicScale) {
    EXPECT_DOUBLE_EQ(budgetPlace(0), 0.0);
    EXPECT_DOUBLE_EQ(budgetPlace(16), 0.07);
    EXPECT_DOUBLE_EQ(budgetPlace(1024), 0.07 + 0.85 * 6.0 / 11.0);
    EXPECT_DOUBLE_EQ(budgetPlace(32768), 0.92);
    EXPECT_DOUBLE_EQ(budgetPlace(kUnlimitedBudget), 1.0);
    EXPECT_LT(budgetPlace(kUnlimitedBudget - 1), 1.0);
}

TEST(BudgetPlace, GoesBackToTheBudgetWithinAStep) {
    for (std::int32_t budget = 0; budget <= 64; ++budget) EXPECT_EQ(budgetAtPlace(budgetPlace(budget)), budget);
    for (std::int32_t budget = 64; budget <= 32768; budget += 61) {
        EXPECT_NEAR(budgetAtPlace(budgetPlace(budget)), budget, budget / 16.0 * 0.51) << budget;
    }
    EXPECT_EQ(budgetAtPlace(1.0), kUnlimitedBudget);
    EXPECT_EQ(budgetAtPlace(0.95), 32768);
    EXPECT_EQ(budgetAtPlace(-0.2), 0);
}

TEST(BudgetPlace, GrowsWithTheBudget) {
    double before = -1.0;
    for (const std::int32_t budget : {0, 1, 2, 8, 15, 16, 17, 100, 1000, 32768, 40000, 1'000'000, kUnlimitedBudget}) {
        EXPECT_GE(budgetPlace(budget), before) << budget;
        before = budgetPlace(budget);
    }
}

TEST(BudgetControl, ADragSetsOnceAndIsUndoneOnce) {
    Shown shown;
    shown.drag(kUnlimitedBudget, {8192, 1024, 128, 4});
    EXPECT_EQ(shown.set, (std::vector<std::int32_t>{4}));
    EXPECT_EQ(shown.control.budget(), 4);
    EXPECT_EQ(shown.control.field().budget(), 4);
    EXPECT_EQ(shown.undo.count(), 1);
    shown.undo.undo();
    EXPECT_EQ(shown.control.budget(), kUnlimitedBudget);
    EXPECT_EQ(shown.control.field().text(), u"unlimited"_s);
    EXPECT_EQ(shown.set.back(), kUnlimitedBudget);
    shown.undo.redo();
    EXPECT_EQ(shown.control.slider().budget(), 4);
}

TEST(BudgetControl, ADragPreviewsInTheFieldBeforeItSets) {
    Shown shown;
    BudgetSlider& slider = shown.control.slider();
    QTest::mousePress(&slider, Qt::LeftButton, Qt::NoModifier, slider.handleCentre(kUnlimitedBudget));
    QTest::mouseMove(&slider, slider.handleCentre(1024));
    EXPECT_NEAR(shown.control.field().budget(), 1024, 64);
    EXPECT_TRUE(shown.set.empty());
    // A snapshot that arrives now does not pull the handle away.
    shown.control.showProgress(10, true);
    EXPECT_NEAR(slider.budget(), 1024, 64);
    QTest::mouseRelease(&slider, Qt::LeftButton, Qt::NoModifier, slider.handleCentre(1024));
    EXPECT_EQ(shown.set.size(), 1U);
}

TEST(BudgetControl, KeysScaleTheBudget) {
    Shown shown;
    BudgetSlider& slider = shown.control.slider();
    slider.setFocus();
    shown.control.showBudget(1024);
    QTest::keyClick(&slider, Qt::Key_Right);
    EXPECT_EQ(shown.control.budget(), std::lround(1024 * std::exp2(0.25)));
    shown.control.showBudget(1024);
    QTest::keyClick(&slider, Qt::Key_PageDown);
    EXPECT_EQ(shown.control.budget(), 512);
    QTest::keyClick(&slider, Qt::Key_Home);
    EXPECT_EQ(shown.control.budget(), 0);
    QTest::keyClick(&slider, Qt::Key_Right);
    EXPECT_EQ(shown.control.budget(), 1);
    QTest::keyClick(&slider, Qt::Key_End);
    EXPECT_EQ(shown.control.budget(), kUnlimitedBudget);
    QTest::keyClick(&slider, Qt::Key_Left);
    EXPECT_EQ(shown.control.budget(), 32768);
    QTest::keyClick(&slider, Qt::Key_Right);
    EXPECT_EQ(shown.control.budget(), kUnlimitedBudget);
}

TEST(BudgetControl, TheFieldTakesNumbersAndTheWordUnlimited) {
    Shown shown;
    BudgetField& field = shown.control.field();
    field.setFocus();
    field.selectAll();
    QTest::keyClicks(&field, u"1,500"_s);
    QTest::keyClick(&field, Qt::Key_Return);
    EXPECT_EQ(shown.control.budget(), 1500);
    EXPECT_EQ(field.text(), u"1,500"_s);
    field.selectAll();
    QTest::keyClicks(&field, u"unlimited"_s);
    QTest::keyClick(&field, Qt::Key_Return);
    EXPECT_EQ(shown.control.budget(), kUnlimitedBudget);
    field.selectAll();
    QTest::keyClicks(&field, u"-7x"_s);
    QTest::keyClick(&field, Qt::Key_Return);
    EXPECT_EQ(shown.control.budget(), 7);
}

TEST(BudgetControl, AnswerNowOnlyWhileABlockIsOpen) {
    Shown shown;
    QSignalSpy spy(&shown.control, &BudgetControl::answerNow);
    EXPECT_FALSE(shown.control.answerNowButton().isEnabled());
    shown.control.showProgress(12, true);
    EXPECT_TRUE(shown.control.answerNowButton().isEnabled());
    QTest::mouseClick(&shown.control.answerNowButton(), Qt::LeftButton);
    EXPECT_EQ(spy.count(), 1);
    shown.control.showProgress(12, false);
    EXPECT_FALSE(shown.control.answerNowButton().isEnabled());
}

TEST(BudgetControl, SaysWhyItIsDisabledAndWhatItIs) {
    Shown shown;
    shown.control.setDisabledReason(u"Instruct-2507 has no thinking mode"_s);
    EXPECT_FALSE(shown.control.slider().isEnabled());
    EXPECT_EQ(shown.control.slider().toolTip(), u"Instruct-2507 has no thinking mode"_s);
    shown.control.setDisabledReason({});
    shown.control.showBudget(1024);
    shown.control.showProgress(186, true);
    EXPECT_EQ(shown.control.slider().accessibleName(), u"Thinking budget"_s);
    EXPECT_EQ(shown.control.slider().accessibleDescription(), u"1,024 tokens, 186 used"_s);
    shown.control.showBudget(100);
    shown.control.showProgress(187, true);
    EXPECT_EQ(shown.control.slider().toolTip(), u"Closes at the next token"_s);
}

}  // namespace
}  // namespace mixoscope
