// Token classes, counts of what a layer's experts get, and the chance levels beside them.
#include "probes/specialisation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>

namespace mixoscope {
namespace {

TEST(TokenClassRule, SortsByTheTextAlone) {
    const auto of = [](std::string_view bytes, std::uint8_t flags = 0) {
        TokenTrace token;
        token.flags = flags;
        return tokenClass(token, bytes);
    };
    for (const char* text : {"7", " 42", "٣", "½"}) EXPECT_EQ(of(text), TokenClass::kDigit) << text;
    for (const char* text : {"pens", " Tom", "'s", "n’t", "x2", "größer", "苹果", "_id"})
        EXPECT_EQ(of(text), TokenClass::kWord) << text;
    for (const char* text : {".", " +", "=\n", "。", "—", "'"}) EXPECT_EQ(of(text), TokenClass::kPunctuation) << text;
    for (const char* text : {" ", "\n\n", "\t", "\u00A0"}) EXPECT_EQ(of(text), TokenClass::kSpace) << text;
    EXPECT_EQ(of("<|im_start|>"), TokenClass::kSpecial);
    EXPECT_EQ(of("<think>", token_flag::kTag), TokenClass::kSpecial);
    EXPECT_EQ(of("<think>"), TokenClass::kOther) << "written, not meant";
    EXPECT_EQ(of("\n", token_flag::kEndOfTurn), TokenClass::kSpecial);
    for (const char* text : {"", "\xE2\x82", "+5", "(x", "a\xFF"}) EXPECT_EQ(of(text), TokenClass::kOther) << text;
}

struct OwnedRow {
    TokenId id;
    Phase phase;
    TokenClass kind;
    std::vector<std::int16_t> experts;
    LayerRow view() const { return {.id = id, .phase = phase, .token_class = kind, .experts = experts}; }
};

/// Rows of up to k distinct experts; some have selections that did not run, some none that did.
std::vector<OwnedRow> randomRows(std::mt19937& random, int experts, int k, int rows) {
    std::vector<OwnedRow> made;
    std::vector<std::int16_t> all(static_cast<std::size_t>(experts));
    std::iota(all.begin(), all.end(), std::int16_t{0});
    for (int row = 0; row < rows; ++row) {
        std::ranges::shuffle(all, random);
        OwnedRow owned{.id = static_cast<TokenId>(random() % 9),
                       .phase = static_cast<Phase>(random() % kPhaseCount),
                       .kind = static_cast<TokenClass>(random() % kTokenClassCount),
                       .experts = {all.begin(), all.begin() + k}};
        const auto running = static_cast<std::size_t>(random() % static_cast<unsigned>(k + 1));
        for (std::size_t slot = running; slot < owned.experts.size(); ++slot)
            owned.experts[slot] = slot % 2 == 0 ? notRunId(owned.experts[slot]) : std::int16_t{-1};
        made.push_back(std::move(owned));
    }
    return made;
}

void expectEqual(const LayerSpecialisation& a, const LayerSpecialisation& b) {
    ASSERT_EQ(a.experts(), b.experts());
    EXPECT_EQ(a.rows(), b.rows());
    EXPECT_EQ(a.selections(), b.selections());
    for (int p = 0; p < kPhaseCount; ++p) EXPECT_EQ(a.rows(static_cast<Phase>(p)), b.rows(static_cast<Phase>(p)));
    for (std::int32_t e = 0; e < a.experts(); ++e) {
        EXPECT_EQ(a.firstChoices(e), b.firstChoices(e));
        for (int p = 0; p < kPhaseCount; ++p)
            EXPECT_EQ(a.selections(e, static_cast<Phase>(p)), b.selections(e, static_cast<Phase>(p)));
        for (int c = 0; c < kTokenClassCount; ++c)
            EXPECT_EQ(a.selections(e, static_cast<TokenClass>(c)), b.selections(e, static_cast<TokenClass>(c)));
        for (std::int32_t other = 0; other < a.experts(); ++other)
            EXPECT_EQ(a.together(e, other), b.together(e, other));
    }
    EXPECT_EQ(a.vocabulary(3).tokens, b.vocabulary(3).tokens);
    const double shares[] = {a.vocabulary(3).largest_share, b.vocabulary(3).largest_share};
    EXPECT_TRUE(std::isnan(shares[0]) ? std::isnan(shares[1]) : std::abs(shares[0] - shares[1]) < 1e-12);
}

TEST(LayerSpecialisation, CountsSumUpAndTheOrderOfRowsDoesNotMatter) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        RecordProperty("seed", static_cast<int>(seed));
        std::mt19937 random(seed);
        const int experts = 4 + static_cast<int>(random() % 12);
        const int k = 1 + static_cast<int>(random() % 4);
        std::vector<OwnedRow> rows = randomRows(random, experts, k, 200);
        LayerSpecialisation counts(experts);
        std::int64_t ran = 0;
        std::int64_t pairs = 0;
        std::int64_t with_any = 0;
        for (const OwnedRow& row : rows) {
            counts.add(row.view());
            const auto n = std::ranges::count_if(row.experts, [](std::int16_t id) { return id >= 0; });
            ran += n;
            pairs += n * (n - 1);
            with_any += n > 0 ? 1 : 0;
        }
        EXPECT_EQ(counts.rows(), 200);
        EXPECT_EQ(counts.selections(), ran);
        std::int64_t all = 0;
        std::int64_t first = 0;
        std::int64_t together = 0;
        for (std::int32_t e = 0; e < experts; ++e) {
            std::int64_t by_phase = 0;
            std::int64_t by_class = 0;
            for (int p = 0; p < kPhaseCount; ++p) by_phase += counts.selections(e, static_cast<Phase>(p));
            for (int c = 0; c < kTokenClassCount; ++c) by_class += counts.selections(e, static_cast<TokenClass>(c));
            EXPECT_EQ(by_phase, counts.selections(e));
            EXPECT_EQ(by_class, counts.selections(e));
            all += counts.selections(e);
            first += counts.firstChoices(e);
            for (std::int32_t other = 0; other < experts; ++other) {
                EXPECT_EQ(counts.together(e, other), counts.together(other, e));
                if (other != e) together += counts.together(e, other);
            }
        }
        EXPECT_EQ(all, ran);
        EXPECT_EQ(first, with_any);
        EXPECT_EQ(together, pairs);
        std::ranges::shuffle(rows, random);
        LayerSpecialisation shuffled(experts);
        for (const OwnedRow& row : rows) shuffled.add(row.view());
        expectEqual(counts, shuffled);
        const LayerSpecialisation snapshot = counts;
        counts.clear();
        expectEqual(counts, LayerSpecialisation(experts));
        expectEqual(snapshot, shuffled);
    }
}

TEST(LayerSpecialisation, WithKExpertsARowSharesSumToKAndCoactivationsToKMinusOne) {
    std::mt19937 random(3);
    constexpr int kExperts = 16;
    constexpr int kChosen = 4;
    std::vector<std::int16_t> all(kExperts);
    std::iota(all.begin(), all.end(), std::int16_t{0});
    LayerSpecialisation counts(kExperts);
    for (int row = 0; row < 300; ++row) {
        std::ranges::shuffle(all, random);
        counts.add({.id = 1,
                    .phase = Phase::kAnswer,
                    .token_class = TokenClass::kWord,
                    .experts = std::span(all).first(kChosen)});
    }
    double shares = 0.0;
    for (std::int32_t a = 0; a < kExperts; ++a) {
        shares += counts.share(a, Phase::kAnswer);
        double sum = 0.0;
        for (std::int32_t b = 0; b < kExperts; ++b) sum += b == a ? 0.0 : counts.coactivation(a, b);
        EXPECT_NEAR(sum, kChosen - 1, 1e-12);
    }
    EXPECT_NEAR(shares, kChosen, 1e-12);
    EXPECT_DOUBLE_EQ(counts.shareChance(), 0.25);
    EXPECT_DOUBLE_EQ(counts.coactivationChance(), 3.0 / 15.0);
    EXPECT_TRUE(std::isnan(counts.share(0, Phase::kPrompt)));
    EXPECT_TRUE(std::isnan(counts.share(0, TokenClass::kDigit)));
}

TEST(LayerSpecialisation, VocabularyIsTheMeanLargestShareOfFirstChoices) {
    LayerSpecialisation counts(8);
    const auto add = [&](TokenId id, std::int16_t expert, int times) {
        const std::int16_t experts[] = {expert, 7};
        for (int i = 0; i < times; ++i)
            counts.add({.id = id, .phase = Phase::kPrompt, .token_class = {}, .experts = experts});
    };
    add(1, 0, 9);
    add(1, 3, 3);   // 9 of 12
    add(2, 5, 10);  // all
    add(3, 6, 9);   // too few
    const VocabularySpecialisation vocabulary = counts.vocabulary();
    EXPECT_EQ(vocabulary.tokens, 2);
    EXPECT_EQ(vocabulary.occurrences, 22);
    EXPECT_DOUBLE_EQ(vocabulary.largest_share, (0.75 + 1.0) / 2.0);
    EXPECT_NEAR(vocabulary.chance, (largestOfRandomDraws(12, 8) / 12.0 + largestOfRandomDraws(10, 8) / 10.0) / 2.0,
                1e-12);
    EXPECT_TRUE(std::isnan(LayerSpecialisation(8).vocabulary().largest_share));
}

TEST(ChanceLevels, AreWhatRandomRoutersShow) {
    std::mt19937 random(11);
    constexpr int kTrials = 3000;
    for (const auto& [draws, cells] : {std::pair{10, 128}, {10, 8}, {40, 64}, {300, 32}}) {
        double sum = 0.0;
        for (int trial = 0; trial < kTrials; ++trial) {
            std::vector<int> counts(static_cast<std::size_t>(cells));
            for (int i = 0; i < draws; ++i) ++counts[random() % static_cast<unsigned>(cells)];
            sum += *std::ranges::max_element(counts);
        }
        const double simulated = sum / kTrials;
        EXPECT_NEAR(largestOfRandomDraws(draws, cells), simulated, 0.02 * simulated) << draws << " on " << cells;
    }
    for (const auto& [rows, k, experts] : {std::tuple{20, 4, 64}, {60, 8, 128}, {200, 2, 8}}) {
        double sum = 0.0;
        std::vector<int> all(static_cast<std::size_t>(experts));
        std::iota(all.begin(), all.end(), 0);
        for (int trial = 0; trial < kTrials; ++trial) {
            std::vector<int> counts(static_cast<std::size_t>(experts));
            for (int row = 0; row < rows; ++row) {
                for (int slot = 0; slot < k; ++slot) {
                    const auto pick = static_cast<std::size_t>(slot) + random() % static_cast<unsigned>(experts - slot);
                    std::swap(all[static_cast<std::size_t>(slot)], all[pick]);
                    ++counts[static_cast<std::size_t>(all[static_cast<std::size_t>(slot)])];
                }
            }
            sum += *std::ranges::max_element(counts);
        }
        const double simulated = sum / kTrials;
        EXPECT_NEAR(largestOfRandomSelections(rows, k, experts), simulated, 0.02 * simulated) << rows;
    }
    EXPECT_EQ(largestOfRandomDraws(0, 8), 0.0);
    EXPECT_EQ(largestOfRandomDraws(7, 1), 7.0);
    EXPECT_EQ(largestOfRandomSelections(9, 8.0, 8), 9.0);
    EXPECT_GE(largestOfRandomDraws(100'000, 128) / 100'000.0, 1.0 / 128.0);
}

}  // namespace
}  // namespace mixoscope
