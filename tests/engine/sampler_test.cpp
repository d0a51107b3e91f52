// The sampler: its generator, each filter's rule, ties, penalties, refusal of NaN, and draws against exact
// probabilities.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "engine/counter_random.h"
#include "engine/error.h"

namespace mixoscope {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Everything off: the plain softmax.
SamplingSettings plain() {
    SamplingSettings settings;
    settings.temperature = 1.0F;
    settings.top_p = 1.0F;
    settings.top_k = 0;
    return settings;
}

std::vector<float> randomLogits(unsigned seed, std::size_t count) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0F, 3.0F);
    std::vector<float> logits(count);
    for (float& logit : logits) logit = normal(random);
    return logits;
}

std::vector<double> softmax(std::span<const float> logits, double temperature) {
    const double largest = *std::ranges::max_element(logits);
    std::vector<double> values;
    for (const float logit : logits) values.push_back(std::exp((logit - largest) / temperature));
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    for (double& value : values) value /= sum;
    return values;
}

struct Expected {
    TokenId token;
    double probability;
};

/// The documented order of filters, written the slow way: sort everything, renormalise after every filter.
std::vector<Expected> oracle(std::span<const float> logits, const SamplingSettings& settings) {
    const std::vector<double> probabilities = softmax(logits, static_cast<double>(settings.temperature));
    std::vector<Expected> list;
    for (std::size_t id = 0; id < logits.size(); ++id) list.push_back({static_cast<TokenId>(id), probabilities[id]});
    std::ranges::stable_sort(list, [&](const Expected& left, const Expected& right) {
        return logits[static_cast<std::size_t>(left.token)] > logits[static_cast<std::size_t>(right.token)];
    });
    const auto renormalise = [&] {
        double sum = 0.0;
        for (const Expected& item : list) sum += item.probability;
        for (Expected& item : list) item.probability /= sum;
    };
    if (settings.top_k > 0 && static_cast<std::size_t>(settings.top_k) < list.size()) {
        list.resize(static_cast<std::size_t>(settings.top_k));
        renormalise();
    }
    if (settings.top_p < 1.0F) {
        double before = 0.0;
        std::size_t kept = 0;
        while (kept < list.size() && (kept == 0 || before < static_cast<double>(settings.top_p)))
            before += list[kept++].probability;
        list.resize(kept);
        renormalise();
    }
    if (settings.min_p > 0.0F) {
        const double smallest = static_cast<double>(settings.min_p) * list.front().probability;
        std::erase_if(list, [&](const Expected& item) { return item.probability < smallest; });
        renormalise();
    }
    return list;
}

TEST(CounterRandom, MatchesTheKnownAnswersOfPhilox) {  // Random123's known-answer file, philox4x32 with 10 rounds
    EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
              (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(CounterRandom, IsUniformAndSeedsAndPositionsAreIndependent) {
    constexpr int kBins = 64;
    constexpr int kDraws = 64000;
    for (const std::uint64_t seed : {0ULL, 1ULL, 0x123456789abcdefULL}) {
        std::vector<int> bins(kBins, 0);
        for (int position = 0; position < kDraws; ++position) {
            const double value = uniformAt(seed, static_cast<std::uint64_t>(position));
            ASSERT_GE(value, 0.0);
            ASSERT_LT(value, 1.0);
            ++bins[static_cast<std::size_t>(value * kBins)];
        }
        double chi_square = 0.0;
        for (const int count : bins) chi_square += std::pow(count - kDraws / kBins, 2) / (kDraws / kBins);
        EXPECT_LT(chi_square, 110.0) << "seed " << seed;  // 63 degrees of freedom: 1 in 5000 is above
    }
    EXPECT_NE(uniformAt(1, 0), uniformAt(0, 1));
    for (const std::uint64_t low : {0ULL, 1ULL}) {  // the upper halves count, and not as the lower ones
        EXPECT_NE(uniformAt(1ULL << 32, 0), uniformAt(low, 0));
        EXPECT_NE(uniformAt(0, 1ULL << 32), uniformAt(0, low));
    }
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowerIdOfEquals) {
    Sampler sampler(5);
    SamplingSettings settings = plain();
    settings.greedy = true;
    const std::vector<float> logits = {1.0F, 3.0F, -2.0F, 3.0F, 0.0F};
    const auto draw = sampler.draw(logits, settings, {}, 0);
    ASSERT_TRUE(draw);
    EXPECT_EQ(draw->token, 1);
    EXPECT_EQ(draw->rank, 0);
    EXPECT_NEAR(draw->logprob, std::log(softmax(logits, 1.0)[1]), 1e-6);
    settings.greedy = false;
    settings.temperature = 0.0F;
    EXPECT_EQ(sampler.draw(logits, settings, {}, 0)->token, 1);
}

TEST(Sampler, RankAndLogprobAreTheRawLogits) {
    const std::vector<float> logits = {1.0F, 3.0F, -2.0F, 3.0F, 0.0F};
    const std::vector<double> probabilities = softmax(logits, 1.0);
    const std::vector<std::int32_t> ranks = {2, 0, 4, 1, 3};
    for (TokenId token = 0; token < 5; ++token) {
        const auto judged = Sampler::judge(logits, token);
        ASSERT_TRUE(judged);
        EXPECT_EQ(judged->rank, ranks[static_cast<std::size_t>(token)]);
        EXPECT_NEAR(judged->logprob, std::log(probabilities[static_cast<std::size_t>(token)]), 1e-6);
    }
    // Temperature and filters change what is drawn, not what is reported.
    Sampler sampler(5);
    SamplingSettings settings = plain();
    settings.top_k = 1;
    settings.temperature = 0.1F;
    EXPECT_NEAR(sampler.draw(logits, settings, {}, 3)->logprob, std::log(probabilities[1]), 1e-6);
}

TEST(Sampler, FiltersAgreeWithTheSlowOrderOfTheDocumentation) {
    std::mt19937 random(7);
    for (unsigned round = 0; round < 400; ++round) {
        const std::size_t size = 2 + random() % 200;
        std::vector<float> logits = randomLogits(round, size);
        if (round % 5 == 0) logits[size / 2] = logits[0];  // ties now and then
        SamplingSettings settings = plain();
        settings.temperature = 0.2F + static_cast<float>(random() % 20) / 10.0F;
        if (random() % 2 == 0) settings.top_k = static_cast<std::int32_t>(random() % 40);
        if (random() % 2 == 0) settings.top_p = 0.05F + static_cast<float>(random() % 95) / 100.0F;
        if (random() % 2 == 0) settings.min_p = static_cast<float>(random() % 50) / 100.0F;
        Sampler sampler(static_cast<std::int64_t>(size));
        std::vector<Expected> expected = oracle(logits, settings);
        const auto found = sampler.distribution(logits, settings, {});
        ASSERT_EQ(found.size(), expected.size()) << "round " << round;
        if (settings.top_p == 1.0F && settings.min_p == 0.0F && settings.top_k == 0) {
            std::ranges::sort(expected, {}, &Expected::token);  // unfiltered: in the order of ids
        } else if (settings.top_k >= static_cast<std::int32_t>(size) && settings.top_p == 1.0F &&
                   settings.min_p == 0.0F) {
            std::ranges::sort(expected, {}, &Expected::token);
        }
        for (std::size_t index = 0; index < expected.size(); ++index) {
            ASSERT_EQ(found[index].token, expected[index].token) << "round " << round << " place " << index;
            ASSERT_NEAR(found[index].probability, expected[index].probability, 1e-9) << "round " << round;
        }
    }
}

TEST(Sampler, TiesAtTheCutGoToTheLowerId) {
    Sampler sampler(6);
    SamplingSettings settings = plain();
    settings.top_k = 2;
    const std::vector<float> logits = {0.0F, 2.0F, 2.0F, 2.0F, 1.0F, 2.0F};
    const auto top_k = sampler.distribution(logits, settings, {});
    ASSERT_EQ(top_k.size(), 2U);
    EXPECT_EQ(top_k[0].token, 1);
    EXPECT_EQ(top_k[1].token, 2);
    settings = plain();
    settings.top_p = 0.3F;  // four equals have 0.21 each
    const auto top_p = sampler.distribution(logits, settings, {});
    ASSERT_EQ(top_p.size(), 2U);
    EXPECT_EQ(top_p[0].token, 1);
    EXPECT_EQ(top_p[1].token, 2);
}

TEST(Sampler, TopPKeepsTheTokenThatCrossesTheThresholdAndAlwaysOne) {
    Sampler sampler(3);
    const std::vector<float> logits = {std::log(0.5F), std::log(0.3F), std::log(0.2F)};
    SamplingSettings settings = plain();
    for (const auto& [top_p, kept] :
         {std::pair{0.01F, 1U}, {0.49F, 1U}, {0.51F, 2U}, {0.79F, 2U}, {0.81F, 3U}, {1.0F, 3U}}) {
        settings.top_p = top_p;
        EXPECT_EQ(sampler.distribution(logits, settings, {}).size(), kept) << "top-p " << top_p;
    }
}

TEST(Sampler, FiltersThatATokenMeetsExactlyKeepIt) {
    Sampler sampler(4);
    const std::vector<float> even(4, 1.0F);
    SamplingSettings settings = plain();
    settings.top_p = 0.5F;
    EXPECT_EQ(sampler.distribution(even, settings, {}).size(), 2U) << "two quarters are the half that was asked for";
    settings = plain();
    settings.min_p = 1.0F;
    EXPECT_EQ(sampler.distribution(even, settings, {}).size(), 4U) << "all are as likely as the likeliest";
}

/// Chi-square of many draws against the exact probabilities of the kept tokens.
double chiSquare(const std::vector<float>& logits, const SamplingSettings& settings, int draws, std::size_t& bins) {
    Sampler sampler(std::ssize(logits));
    const std::vector<Expected> expected = oracle(logits, settings);
    std::vector<int> counts(logits.size(), 0);
    for (int position = 0; position < draws; ++position) {
        const auto draw = sampler.draw(logits, settings, {}, position);
        EXPECT_TRUE(draw.has_value());
        ++counts[static_cast<std::size_t>(draw->token)];
    }
    double chi_square = 0.0;
    int seen = 0;
    for (const Expected& item : expected) {
        const double mean = item.probability * draws;
        const int count = counts[static_cast<std::size_t>(item.token)];
        chi_square += (count - mean) * (count - mean) / mean;
        seen += count;
    }
    EXPECT_EQ(seen, draws) << "a token was drawn that the filters remove";
    bins = expected.size();
    return chi_square;
}

TEST(Sampler, DrawsFollowTheExactProbabilities) {
    std::vector<SamplingSettings> cases;
    for (const std::uint64_t seed : {1ULL, 2ULL}) {
        for (const float temperature : {0.6F, 1.0F, 1.7F}) {
            SamplingSettings settings = plain();
            settings.seed = seed;
            settings.temperature = temperature;
            cases.push_back(settings);
            settings.top_k = 5;
            cases.push_back(settings);
            settings.top_k = 0;
            settings.top_p = 0.9F;
            cases.push_back(settings);
            settings.min_p = 0.1F;
            cases.push_back(settings);
        }
    }
    const std::vector<float> logits = {0.3F, -0.4F, 1.2F, 0.0F, 0.7F, -1.1F, 0.9F, 0.2F, -0.6F, 0.5F};
    for (std::size_t index = 0; index < cases.size(); ++index) {
        std::size_t bins = 0;
        const double chi_square = chiSquare(logits, cases[index], 20000, bins);
        const double freedom = static_cast<double>(bins - 1);
        // About five standard deviations above the mean of a chi-square: fixed seeds, so it holds or it is wrong.
        EXPECT_LT(chi_square, freedom + 5.0 * std::sqrt(2.0 * freedom) + 5.0)
            << "case " << index << ", seed " << cases[index].seed;
    }
}

TEST(Sampler, ADrawIsAFunctionOfSeedAndPosition) {
    const std::vector<float> logits = randomLogits(3, 50);
    const std::vector<float> others = randomLogits(4, 50);
    SamplingSettings settings = plain();
    settings.seed = 9;
    Sampler alone(50);
    Sampler beside(50);
    int moved = 0;
    for (int position = 0; position < 200; ++position) {
        const auto first = alone.draw(logits, settings, {}, position);
        // Draws for other lanes in between leave no trace.
        beside.draw(others, settings, {}, 1000 - position);
        SamplingSettings other_seed = settings;
        other_seed.seed = 10;
        const auto other = beside.draw(logits, other_seed, {}, position);
        const auto second = beside.draw(logits, settings, {}, position);
        ASSERT_EQ(first->token, second->token);
        if (other->token != first->token) ++moved;
    }
    EXPECT_GT(moved, 50);  // another seed draws other tokens
}

TEST(Sampler, RepetitionPenaltyActsOnceOnEveryTokenOfTheSequence) {
    Sampler sampler(4);
    SamplingSettings settings = plain();
    settings.greedy = true;
    settings.repetition_penalty = 2.0F;
    const std::vector<float> logits = {4.0F, 3.0F, -1.0F, 1.5F};
    const std::vector<TokenId> sequence = {0, 0, 0};
    // 4 / 2 = 2 (once, not three times) < 3
    EXPECT_EQ(sampler.draw(logits, settings, {.sequence = sequence, .generated_from = 3}, 0)->token, 1);
    // 8 / 2 = 4 > 3; three times would be 1
    EXPECT_EQ(
        sampler
            .draw(std::vector<float>{8.0F, 3.0F, -1.0F, 1.5F}, settings, {.sequence = sequence, .generated_from = 3}, 0)
            ->token,
        0);
    const std::vector<TokenId> both = {0, 1};
    EXPECT_EQ(sampler.draw(logits, settings, {.sequence = both, .generated_from = 0}, 0)->token, 0);  // 2 > 1.5
    // A negative logit is multiplied: it moves away from 0, too.
    settings.greedy = false;
    const std::vector<TokenId> negative = {2};
    const auto candidates = sampler.distribution(logits, settings, {.sequence = negative, .generated_from = 0});
    const std::vector<double> expected = softmax(std::vector<float>{4.0F, 3.0F, -2.0F, 1.5F}, 1.0);
    for (const auto& candidate : candidates) {
        EXPECT_NEAR(candidate.probability, expected[static_cast<std::size_t>(candidate.token)], 1e-9);
    }
}

TEST(Sampler, PresencePenaltyActsOnGeneratedTokensOnly) {
    Sampler sampler(3);
    SamplingSettings settings = plain();
    settings.greedy = true;
    settings.presence_penalty = 1.5F;
    const std::vector<float> logits = {2.0F, 1.0F, 0.9F};
    const std::vector<TokenId> sequence = {0, 1, 0, 0};
    EXPECT_EQ(sampler.draw(logits, settings, {.sequence = sequence, .generated_from = 4}, 0)->token, 0);  // all prompt
    EXPECT_EQ(sampler.draw(logits, settings, {.sequence = sequence, .generated_from = 2}, 0)->token,
              1);  // 0.5 against 1
    EXPECT_EQ(sampler.draw(logits, settings, {.sequence = sequence, .generated_from = 1}, 0)->token, 2);
}

TEST(Sampler, LogitsThatAreNoDistributionAreRefused) {
    Sampler sampler(4);
    for (const bool greedy : {true, false}) {
        SamplingSettings settings = plain();
        settings.greedy = greedy;
        for (const std::int32_t top_k : {0, 2}) {
            settings.top_k = top_k;
            for (std::size_t place = 0; place < 4; ++place) {
                for (const float bad : {kNaN, kInfinity}) {
                    std::vector<float> logits = {1.0F, 2.0F, 3.0F, 0.0F};
                    logits[place] = bad;
                    EXPECT_FALSE(sampler.draw(logits, settings, {}, 0)) << "place " << place << " value " << bad;
                }
            }
            EXPECT_FALSE(sampler.draw(std::vector<float>(4, -kInfinity), settings, {}, 0));
        }
    }
}

TEST(Sampler, ImpossibleTokensAreNeverDrawn) {
    Sampler sampler(4);
    SamplingSettings settings = plain();
    const std::vector<float> logits = {-kInfinity, 0.0F, -kInfinity, 0.0F};
    for (int position = 0; position < 500; ++position) {
        const TokenId token = sampler.draw(logits, settings, {}, position)->token;
        ASSERT_TRUE(token == 1 || token == 3);
    }
}

TEST(Sampler, ExtremeLogitsAndTemperaturesStayFinite) {
    Sampler sampler(3);
    SamplingSettings settings = plain();
    settings.temperature = 1e-30F;
    EXPECT_EQ(sampler.draw(std::vector<float>{3e38F, 1.0F, -3e38F}, settings, {}, 0)->token, 0);
    settings.temperature = 3e38F;
    EXPECT_TRUE(sampler.draw(std::vector<float>{3e38F, 1.0F, -3e38F}, settings, {}, 0));
}

TEST(SamplingSettings, SenselessValuesAreNamed) {
    const auto messageOf = [](auto change) -> std::string {
        SamplingSettings settings;
        change(settings);
        try {
            checkSampling(settings);
        } catch (const Error& error) {
            return error.parts().where;
        }
        return "(accepted)";
    };
    EXPECT_EQ(messageOf([](SamplingSettings&) {}), "(accepted)");
    EXPECT_EQ(messageOf([](SamplingSettings& s) { s.temperature = -0.1F; }), "temperature");
    EXPECT_EQ(messageOf([](SamplingSettings& s) { s.temperature = kNaN; }), "temperature");
    EXPECT_EQ(messageOf([](SamplingSettings& s) { s.temperature = kInfinity; }), "temperature");
    EXPECT_EQ(messageOf([](SamplingSettings& s) { s.top_p = 0.0F; }), "top_p");
    EXPECT_EQ(messageOf([](SamplingSettings& s) { s.top_p = 1.01F; }), "top_p");
    EXPECT_EQ(messageOf([](SamplingSettings& s) { s.top_k = -1; }), "top_k");
    EXPECT_EQ(messageOf([](SamplingSettings& s) { s.min_p = 1.5F; }), "min_p");
    EXPECT_EQ(messageOf([](SamplingSettings& s) { s.presence_penalty = kInfinity; }), "presence_penalty");
    EXPECT_EQ(messageOf([](SamplingSettings& s) { s.repetition_penalty = 0.0F; }), "repetition_penalty");
}

}  // namespace
}  // namespace mixoscope
