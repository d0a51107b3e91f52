// The thinking budget: every row of the table of modes and budgets, dragging, answer-now, soft close, stray tags, cuts
// in the middle of a character; and a random walk against a model that is written independently.
#include "engine/thinking_controller.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

namespace mixoscope {
namespace {

constexpr TokenId kOpen = 100;
constexpr TokenId kClose = 101;
constexpr TokenId kWord = 7;
const std::vector<TokenId> kEarlyStop = {50, 51, kClose, 52};

ThinkingTokens tokens() {
    return {.open = kOpen, .close = kClose, .early_stop = kEarlyStop};
}

/// A controller with its settings, driven as the generation loop drives it.
struct Driver {
    explicit Driver(bool thinking = true) : controller(tokens(), thinking) {}

    /// Tokens that are injected now, all accepted.
    std::vector<TokenId> injected(int close_rank = -1, bool boundary = true) {
        const auto span = controller.injection(budget, early_stop, close_rank, boundary);
        std::vector<TokenId> ids(span.begin(), span.end());
        for (const TokenId id : ids) last = controller.accept(id, true);
        return ids;
    }
    /// The model says `id`, nothing being injected before it.
    ThinkingController::Classified say(TokenId id) {
        EXPECT_TRUE(injected().empty()) << "an injection came before token " << id;
        return last = controller.accept(id, false);
    }
    void think(int count) {
        for (int index = 0; index < count; ++index) say(kWord);
    }

    ThinkingController controller;
    std::int32_t budget = kUnlimitedBudget;
    EarlyStop early_stop;
    ThinkingController::Classified last{};
};

TEST(ThinkingController, UnlimitedBudgetLetsTheModelCloseItsBlock) {
    Driver driver;
    EXPECT_EQ(driver.say(kOpen).phase, Phase::kThinking);
    EXPECT_EQ(driver.last.flags, token_flag::kTag);
    driver.think(5000);
    EXPECT_EQ(driver.controller.thinkingTokens(), 5000);
    EXPECT_TRUE(driver.controller.blockOpen());
    EXPECT_EQ(driver.say(kClose).phase, Phase::kThinking);
    EXPECT_EQ(driver.last.flags, token_flag::kTag);
    EXPECT_EQ(driver.say(kWord).phase, Phase::kAnswer);
    EXPECT_EQ(driver.last.flags, 0);
    EXPECT_EQ(driver.controller.thinkingTokens(), 5000);  // neither the tags nor the answer count
}

TEST(ThinkingController, EveryBudgetClosesTheBlockAtExactlyThatN) {
    for (std::int32_t budget = 1; budget <= 40; ++budget) {
        Driver driver;
        driver.budget = budget;
        driver.say(kOpen);
        driver.think(budget);
        EXPECT_EQ(driver.injected(), kEarlyStop) << "budget " << budget;
        EXPECT_EQ(driver.controller.thinkingTokens(), budget);
        EXPECT_FALSE(driver.controller.blockOpen());
        EXPECT_TRUE(driver.injected().empty()) << "cut twice at budget " << budget;
        EXPECT_EQ(driver.say(kWord).phase, Phase::kAnswer);
        EXPECT_EQ(driver.controller.thinkingTokens(), budget);
    }
}

TEST(ThinkingController, ABlockThatClosesItselfBeforeTheBudgetIsUntouched) {
    Driver driver;
    driver.budget = 10;
    driver.say(kOpen);
    driver.think(9);
    EXPECT_EQ(driver.say(kClose).phase, Phase::kThinking);
    for (int index = 0; index < 50; ++index) EXPECT_EQ(driver.say(kWord).phase, Phase::kAnswer);
    EXPECT_EQ(driver.controller.thinkingTokens(), 9);
}

TEST(ThinkingController, InjectedTokensAreMarkedBelongToTheBlockAndAreNotCounted) {
    Driver driver;
    driver.budget = 3;
    driver.say(kOpen);
    driver.think(3);
    const auto span = driver.controller.injection(3, {}, -1, true);
    ASSERT_EQ(span.size(), kEarlyStop.size());
    for (const TokenId id : span) {
        const auto classified = driver.controller.accept(id, true);
        EXPECT_EQ(classified.phase, Phase::kThinking);
        EXPECT_EQ(classified.flags, id == kClose ? token_flag::kInjected | token_flag::kTag : token_flag::kInjected);
    }
    EXPECT_EQ(driver.controller.thinkingTokens(), 3);
    EXPECT_FALSE(driver.controller.closedByHand());
}

TEST(ThinkingController, AnInjectedWordThatLooksLikeThinkingIsStillNotCounted) {
    Driver driver;
    driver.budget = 1;
    driver.say(kOpen);
    driver.think(1);
    driver.controller.injection(1, {}, -1, true);
    driver.controller.accept(kWord, true);
    EXPECT_EQ(driver.controller.thinkingTokens(), 1);
    EXPECT_TRUE(driver.controller.blockOpen());  // until the injected close tag is accepted
}

TEST(ThinkingController, ABudgetOfZeroReachedByDraggingClosesRightAfterTheTag) {
    Driver driver;
    driver.budget = 0;
    driver.say(kOpen);
    EXPECT_EQ(driver.injected(), kEarlyStop);
    EXPECT_EQ(driver.controller.thinkingTokens(), 0);
}

TEST(ThinkingController, DraggingBelowNClosesAtTheNextToken) {
    Driver driver;
    driver.budget = 100;
    driver.say(kOpen);
    driver.think(20);
    driver.budget = 5;
    EXPECT_EQ(driver.injected(), kEarlyStop);
    EXPECT_EQ(driver.controller.thinkingTokens(), 20);
}

TEST(ThinkingController, DraggingUpInTheMiddleGivesTheRest) {
    Driver driver;
    driver.budget = 10;
    driver.say(kOpen);
    driver.think(9);
    driver.budget = 30;
    driver.think(21);
    EXPECT_EQ(driver.controller.thinkingTokens(), 30);
    EXPECT_EQ(driver.injected(), kEarlyStop);
}

TEST(ThinkingController, DraggingUpAfterTheCutChangesNothing) {
    Driver driver;
    driver.budget = 2;
    driver.say(kOpen);
    driver.think(2);
    EXPECT_EQ(driver.injected(), kEarlyStop);
    driver.budget = 50;
    EXPECT_EQ(driver.say(kWord).phase, Phase::kAnswer);
    driver.budget = kUnlimitedBudget;
    EXPECT_EQ(driver.say(kWord).phase, Phase::kAnswer);
}

TEST(ThinkingController, AnswerNowClosesAtTheNextToken) {
    Driver driver;
    driver.say(kOpen);
    driver.think(4);
    EXPECT_TRUE(driver.controller.answerNow());
    EXPECT_EQ(driver.injected(), kEarlyStop);
    EXPECT_TRUE(driver.controller.closedByHand());
    EXPECT_EQ(driver.controller.thinkingTokens(), 4);
    EXPECT_EQ(driver.say(kWord).phase, Phase::kAnswer);
}

TEST(ThinkingController, AnswerNowOutsideABlockIsIgnoredAndNotKept) {
    Driver driver;
    EXPECT_FALSE(driver.controller.answerNow());  // before the block
    driver.say(kOpen);
    driver.think(3);
    driver.say(kClose);
    EXPECT_FALSE(driver.controller.answerNow());  // in the answer
    driver.say(kOpen);                            // a second block
    EXPECT_TRUE(driver.injected().empty());
}

TEST(ThinkingController, AnswerNowDoesNotOutliveTheBlockItWasMeantFor) {
    Driver driver;
    driver.say(kOpen);
    driver.think(1);
    driver.controller.answerNow();
    driver.controller.accept(kClose, false);  // the model closed it in the same instant
    driver.say(kOpen);
    EXPECT_TRUE(driver.injected().empty());
}

TEST(ThinkingController, AnswerNowThatWasObeyedActsOnNoLaterBlock) {
    Driver driver;
    driver.say(kOpen);
    driver.controller.answerNow();
    EXPECT_EQ(driver.injected(), kEarlyStop);
    driver.say(kOpen);
    EXPECT_TRUE(driver.injected().empty());
    driver.budget = 0;
    EXPECT_EQ(driver.injected(), kEarlyStop);
    EXPECT_FALSE(driver.controller.closedByHand());
}

TEST(ThinkingController, WhileItsTextIsFedNothingElseIsInjected) {
    Driver driver;
    driver.say(kOpen);
    driver.budget = 0;
    EXPECT_FALSE(driver.controller.injection(0, driver.early_stop, -1, true).empty());
    EXPECT_TRUE(driver.controller.injection(0, driver.early_stop, -1, true).empty());
    EXPECT_TRUE(driver.controller.blockOpen());
}

TEST(ThinkingController, WithoutATextToFeedABlockStaysOpen) {
    ThinkingController controller({.open = kOpen, .close = kClose, .early_stop = {}}, true);
    controller.accept(kOpen, false);
    EXPECT_TRUE(controller.injection(0, {}, -1, true).empty());
    EXPECT_EQ(controller.accept(kWord, false).phase, Phase::kThinking);
    EXPECT_EQ(controller.thinkingTokens(), 1);
}

TEST(ThinkingController, ACutWaitsForTheEndOfACharacter) {
    Driver driver;
    driver.budget = 2;
    driver.say(kOpen);
    driver.think(2);
    EXPECT_TRUE(driver.injected(-1, false).empty());
    driver.controller.accept(kWord, false);  // the character's second half
    EXPECT_EQ(driver.injected(-1, true), kEarlyStop);
    EXPECT_EQ(driver.controller.thinkingTokens(), 3);
}

TEST(ThinkingController, AnswerNowWaitsForTheEndOfACharacterToo) {
    Driver driver;
    driver.say(kOpen);
    driver.think(2);
    driver.controller.answerNow();
    EXPECT_TRUE(driver.injected(-1, false).empty());
    driver.controller.accept(kWord, false);
    EXPECT_EQ(driver.injected(-1, true), kEarlyStop);
}

TEST(ThinkingController, SoftCloseWaitsForALikelyTagAndThenGivesTheTagAlone) {
    Driver driver;
    driver.budget = 5;
    driver.early_stop = {.soft_rank = 3, .soft_extra = 10};
    driver.say(kOpen);
    driver.think(4);
    EXPECT_TRUE(driver.injected(0).empty());  // likeliest of all, but N < B
    EXPECT_FALSE(driver.controller.needsCloseRank(5, driver.early_stop));
    driver.controller.accept(kWord, false);
    EXPECT_TRUE(driver.controller.needsCloseRank(5, driver.early_stop));
    EXPECT_TRUE(driver.injected(3).empty());   // fourth likeliest
    EXPECT_TRUE(driver.injected(-1).empty());  // not known
    driver.controller.accept(kWord, false);
    EXPECT_EQ(driver.injected(2), (std::vector<TokenId>{kClose, 52}));
    EXPECT_EQ(driver.controller.thinkingTokens(), 6);
    EXPECT_FALSE(driver.controller.blockOpen());
}

TEST(ThinkingController, SoftCloseForcesAfterTheExtraTokens) {
    Driver driver;
    driver.budget = 5;
    driver.early_stop = {.soft_rank = 3, .soft_extra = 4};
    driver.say(kOpen);
    for (int index = 0; index < 9; ++index) {
        EXPECT_TRUE(driver.injected(100).empty()) << "at N = " << driver.controller.thinkingTokens();
        driver.controller.accept(kWord, false);
    }
    EXPECT_EQ(driver.injected(100), kEarlyStop);
    EXPECT_EQ(driver.controller.thinkingTokens(), 9);
}

TEST(ThinkingController, SoftCloseNeverFallsPastTheLargestBudget) {
    Driver driver;
    driver.budget = kUnlimitedBudget - 1;
    driver.early_stop = {.soft_rank = 1, .soft_extra = kUnlimitedBudget};
    driver.say(kOpen);
    driver.think(3);
    driver.budget = 2;
    EXPECT_TRUE(driver.injected(5).empty());  // 2 + the largest extra does not overflow
    EXPECT_EQ(driver.injected(0), (std::vector<TokenId>{kClose, 52}));
}

TEST(ThinkingController, AnswerNowOverridesASoftClose) {
    Driver driver;
    driver.budget = 5;
    driver.early_stop = {.soft_rank = 3, .soft_extra = 100};
    driver.say(kOpen);
    driver.think(1);
    driver.controller.answerNow();
    EXPECT_EQ(driver.injected(100), kEarlyStop);
}

TEST(ThinkingController, ATagInTheAnswerIsStrayAndOpensABlockThatTheBudgetBounds) {
    Driver driver;
    driver.budget = 3;
    EXPECT_EQ(driver.say(kWord).phase, Phase::kAnswer);  // answers at once
    EXPECT_EQ(driver.say(kOpen).flags, token_flag::kTag | token_flag::kStray);
    driver.think(3);
    EXPECT_EQ(driver.last.phase, Phase::kThinking);
    EXPECT_EQ(driver.injected(), kEarlyStop);
}

TEST(ThinkingController, ASecondBlockIsStrayAndNCountsOn) {
    Driver driver;
    driver.budget = 4;
    driver.say(kOpen);
    driver.think(3);
    driver.say(kClose);
    EXPECT_EQ(driver.say(kOpen).flags, token_flag::kTag | token_flag::kStray);
    driver.think(1);
    EXPECT_EQ(driver.controller.thinkingTokens(), 4);
    EXPECT_EQ(driver.injected(), kEarlyStop);
}

TEST(ThinkingController, AfterACutTheStreamIsParsedAsAnyOther) {
    Driver driver;
    driver.budget = 1;
    driver.say(kOpen);
    driver.think(1);
    driver.injected();
    EXPECT_EQ(driver.say(kWord).phase, Phase::kAnswer);
    EXPECT_EQ(driver.say(kOpen).flags, token_flag::kTag | token_flag::kStray);
    EXPECT_EQ(driver.injected(), kEarlyStop);  // N ≥ B already: the new block closes at once
}

TEST(ThinkingController, ACloseTagOutsideABlockIsStray) {
    Driver driver;
    EXPECT_EQ(driver.say(kClose).flags, token_flag::kTag | token_flag::kStray);
    EXPECT_EQ(driver.last.phase, Phase::kAnswer);
    EXPECT_EQ(driver.say(kClose).flags, token_flag::kTag | token_flag::kStray);
}

TEST(ThinkingController, AnOpenTagInsideABlockIsStrayAndLiesBetweenTheTags) {
    Driver driver;
    driver.say(kOpen);
    EXPECT_EQ(driver.say(kOpen).flags, token_flag::kTag | token_flag::kStray);
    EXPECT_EQ(driver.controller.thinkingTokens(), 1);
    EXPECT_EQ(driver.last.phase, Phase::kThinking);
}

TEST(ThinkingController, ABlockThatNeverClosesIsOpenAtTheEnd) {
    Driver driver;
    driver.say(kOpen);
    driver.think(2);
    EXPECT_TRUE(driver.controller.blockOpen());
    EXPECT_EQ(driver.controller.phase(), Phase::kThinking);
}

TEST(ThinkingController, NoThinkIgnoresTheBudgetAndFlagsThinking) {
    for (const std::int32_t budget : {0, 1, 5, kUnlimitedBudget}) {
        Driver driver(false);
        driver.budget = budget;
        EXPECT_EQ(driver.say(kWord).phase, Phase::kAnswer);
        EXPECT_EQ(driver.say(kOpen).flags, token_flag::kTag | token_flag::kStray);
        driver.think(20);  // a leak is shown in its full length
        EXPECT_EQ(driver.last.phase, Phase::kThinking);
        EXPECT_EQ(driver.controller.thinkingTokens(), 20);
    }
}

TEST(ThinkingController, NoThinkFlagsABlockEvenAsTheFirstToken) {
    Driver driver(false);
    EXPECT_EQ(driver.say(kOpen).flags, token_flag::kTag | token_flag::kStray);
}

TEST(ThinkingController, AModelWithoutTagsNeverThinks) {
    ThinkingController controller({}, true);
    for (TokenId id = 0; id < 200; ++id) {
        EXPECT_TRUE(controller.injection(0, {}, -1, true).empty());
        EXPECT_EQ(controller.accept(id, false).phase, Phase::kAnswer);
    }
    EXPECT_FALSE(controller.answerNow());
    EXPECT_EQ(controller.thinkingTokens(), 0);
}

TEST(ThinkingController, ANewEarlyStopTextIsUsedForTheNextCut) {
    Driver driver;
    driver.budget = 1;
    driver.say(kOpen);
    std::vector<TokenId> other = {60, kClose};
    driver.controller.swapEarlyStop(other);
    driver.think(1);
    EXPECT_EQ(driver.injected(), (std::vector<TokenId>{60, kClose}));
}

/// All tokens of a turn: what the tags say about them, worked out from the whole text and not token by token.
TEST(ThinkingController, RandomStreamsAgreeWithTheDefinitionOfN) {
    constexpr unsigned kSeed = 20260301;
    SCOPED_TRACE(testing::Message() << "seed " << kSeed);
    std::mt19937 random(kSeed);
    for (int round = 0; round < 3000; ++round) {
        const bool thinking = random() % 4 != 0;
        Driver driver(thinking);
        driver.budget = random() % 3 == 0 ? kUnlimitedBudget : static_cast<std::int32_t>(random() % 12);
        std::vector<std::pair<TokenId, bool>> stream;  // token, injected
        std::vector<Phase> phases;
        const auto add = [&](TokenId id, bool injected) {
            phases.push_back(driver.controller.accept(id, injected).phase);
            stream.emplace_back(id, injected);
        };
        for (int step = 0; step < 60; ++step) {
            if (random() % 15 == 0) driver.budget = static_cast<std::int32_t>(random() % 12);
            const auto cut = driver.controller.injection(driver.budget, {}, -1, true);
            const bool must_cut = thinking && driver.controller.blockOpen() && cut.empty() &&
                                  driver.controller.thinkingTokens() >= driver.budget;
            ASSERT_FALSE(must_cut) << "round " << round << " step " << step;
            for (const TokenId id : std::vector<TokenId>(cut.begin(), cut.end())) add(id, true);
            const auto roll = random() % 12;
            if (cut.empty()) add(roll == 0 ? kOpen : roll == 1 ? kClose : kWord, false);
        }
        // The definition: a block runs from an open tag to the next close tag; N is what lies strictly between.
        std::int32_t counted = 0;
        std::optional<std::size_t> opened;
        for (std::size_t index = 0; index < stream.size(); ++index) {
            const auto [id, injected] = stream[index];
            const bool inside = opened.has_value();
            if (id == kClose) {
                opened.reset();
            } else if (id == kOpen && !inside) {
                opened = index;
            } else if (inside && !injected) {
                ++counted;
            }
            const bool in_block = inside || id == kOpen || injected;
            ASSERT_EQ(phases[index], in_block ? Phase::kThinking : Phase::kAnswer)
                << "round " << round << " token " << index;
        }
        ASSERT_EQ(driver.controller.thinkingTokens(), counted) << "round " << round;
        ASSERT_EQ(driver.controller.blockOpen(), opened.has_value());
    }
}

}  // namespace
}  // namespace mixoscope
