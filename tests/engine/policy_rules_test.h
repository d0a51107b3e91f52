// What the tests of the choosing rules share: their random rows and small questions about what was chosen.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "support/policy_runner.h"

namespace mixoscope::test {

constexpr unsigned kSeed = 4711;
constexpr int kRounds = 200;

inline float probabilityOf(const PolicyChoice& choice, std::int32_t id) {
    return choice.probabilities[static_cast<std::size_t>(id)];
}

inline bool startsWith(const std::vector<std::int32_t>& all, const std::vector<std::int32_t>& first) {
    return first.size() <= all.size() && std::equal(first.begin(), first.end(), all.begin());
}

inline std::vector<std::int64_t> loads(const std::vector<PolicyChoice>& choices, std::int64_t experts) {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(experts), 0);
    for (const PolicyChoice& choice : choices) {
        for (const std::int32_t id : choice.ids) ++counts[static_cast<std::size_t>(id)];
    }
    return counts;
}

class Rules : public testing::Test {
protected:
    Rules() { RecordProperty("seed", std::to_string(kSeed)); }
    std::mt19937 random{kSeed};
};

/// Two texts choose the same bits, one row a step and many rows a step.
inline void expectSame(const std::string& left_text, const std::string& right_text, const ModelConfig& config,
                       std::mt19937& random) {
    PolicyRunner left(left_text, config);
    PolicyRunner right(right_text, config);
    std::vector<PolicyRow> rows = randomRows(random, kRounds, config.num_experts);
    for (PolicyRow& row : rows) row.logprob = -1.0F;
    EXPECT_EQ(left.step(rows), right.step(rows)) << left_text << " / " << right_text;
    left.restart();
    right.restart();
    for (const PolicyRow& row : rows) ASSERT_EQ(left.one(row, 1), right.one(row, 1)) << left_text;
}

}  // namespace mixoscope::test
