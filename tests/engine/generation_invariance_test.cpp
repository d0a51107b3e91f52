// A lane's tokens, log-probabilities and routing have the same bits alone and beside others, at any prefill chunking,
// after a prefix was reused, and after a fork: on all processors, with a model of random weights.
#include <gtest/gtest.h>

#include <cstring>
#include <ostream>
#include <random>

#include "engine/generation.h"
#include "support/collecting_sink.h"
#include "support/processors.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

constexpr unsigned kSeed = 77;

struct Script {
    std::vector<TokenId> prompt;
    LaneSettings settings;
};

/// Lanes that differ in everything that a lane can differ in.
std::vector<Script> scripts(const Model& model, std::size_t count) {
    std::mt19937 random(kSeed);
    std::vector<Script> made(count);
    for (std::size_t index = 0; index < count; ++index) {
        Script& script = made[index];
        const std::size_t length = 3 + random() % 45;
        for (std::size_t token = 0; token < length; ++token)
            script.prompt.push_back(static_cast<TokenId>(random() % 250));
        // A prompt that opens the block, so that budgets act although random weights never say <think>.
        script.prompt.push_back(test::kTinyThinkOpen);
        script.settings.budget = index % 2 == 0 ? static_cast<std::int32_t>(4 + index) : kUnlimitedBudget;
        script.settings.early_stop.text = "enough</think>\n";
        script.settings.policy = index == 2 && model.config.num_experts > 0 ? "top-k:k=4" : "model";
        script.settings.sampling = {.greedy = index == 1, .temperature = 1.0F, .top_p = 0.95F, .seed = 100 + index};
        script.settings.max_tokens = static_cast<std::int32_t>(24 + index);
        script.settings.ignore_eos = true;
    }
    return made;
}

/// A lane's rows as bytes: everything that must not depend on the neighbours.
std::vector<unsigned char> bytesOf(const test::CollectingSink& sink, LaneId lane) {
    std::vector<unsigned char> bytes;
    const auto add = [&](const auto& value) {
        const auto* first = reinterpret_cast<const unsigned char*>(&value);
        bytes.insert(bytes.end(), first, first + sizeof value);
    };
    for (const auto& row : sink.ofLane(lane)) {
        for (const TokenTrace& token : {row.trace.token, row.trace.next}) {
            add(token.position);
            add(token.id);
            add(token.phase);
            add(token.flags);
            add(token.thinking_tokens);
            add(token.logprob);
            add(token.rank);
        }
        for (const auto id : row.expert_ids) add(id);
        for (const auto weight : row.expert_weights) add(weight);
        for (const RouterFacts& facts : row.router) {
            add(facts.entropy);
            add(facts.top_probability);
            add(facts.next_expert);
        }
        for (const auto probability : row.distributions) add(probability);
    }
    return bytes;
}

struct Case {
    const char* name;
    const char* processor;
    std::int64_t experts;
};

/// For the names of the tests, which would hold addresses otherwise.
void PrintTo(const Case& which, std::ostream* out) {
    *out << which.name << " on " << which.processor << ", " << which.experts << " experts";
}

class GenerationInvariance : public testing::TestWithParam<Case> {
protected:
    GenerationInvariance()
        : model(test::openTinyModel({.seed = kSeed, .experts = GetParam().experts})),
          processor(test::makeProcessor(GetParam().processor, model)) {}

    /// An emulated device: one way of each kind has to do.
    static bool isSlow() { return std::string_view(GetParam().processor) == "host_cuda"; }
    static GenerationLimits limits(std::int32_t chunk) {
        return {.context_tokens = 160, .max_lanes = 4, .prefill_chunk = chunk, .slots = 4, .distributions = true};
    }
    /// The lanes given, started `apart` steps after one another.
    test::CollectingSink runTogether(const std::vector<Script>& lanes, std::int32_t chunk, int apart) {
        test::CollectingSink sink;
        Generation generation(model, *processor, limits(chunk), &sink);
        for (const Script& script : lanes) {
            const LaneId lane = generation.addLane(script.settings);
            generation.startTurn(lane, script.prompt, true);
            for (int step = 0; step < apart; ++step) generation.step();
        }
        generation.run({});
        return sink;
    }

    Model model;
    std::unique_ptr<Processor> processor;
};

TEST_P(GenerationInvariance, ALaneAloneEqualsTheLaneBesideOthersAtAnyChunking) {
    const std::vector<Script> lanes = scripts(model, 4);
    std::vector<std::vector<unsigned char>> alone;
    for (const Script& script : lanes) alone.push_back(bytesOf(runTogether({script}, 128, 0), 0));
    std::vector<std::pair<std::int32_t, int>> ways{{7, 3}, {128, 0}, {1, 0}, {16, 1}, {3, 11}};
    if (isSlow()) ways.resize(1);
    for (const auto& [chunk, apart] : ways) {
        const test::CollectingSink together = runTogether(lanes, chunk, apart);
        for (std::size_t index = 0; index < lanes.size(); ++index) {
            ASSERT_FALSE(alone[index].empty());
            EXPECT_EQ(bytesOf(together, static_cast<LaneId>(index)), alone[index])
                << "lane " << index << ", chunk " << chunk << ", started " << apart << " steps apart";
        }
    }
}

TEST_P(GenerationInvariance, AReusedPrefixGivesTheSameTurnAsAFreshOne) {
    const std::vector<Script> lanes = scripts(model, 1);
    test::CollectingSink sink;
    Generation generation(model, *processor, limits(128), &sink);
    const LaneId lane = generation.addLane(lanes[0].settings);
    generation.startTurn(lane, lanes[0].prompt, true);
    generation.run({});
    std::vector<TokenId> second = generation.tokens(lane);
    second.resize(second.size() - 3);
    second.push_back('q');
    const std::size_t first_rows = sink.rows.size();
    generation.startTurn(lane, second, true);
    generation.run({});
    EXPECT_LT(static_cast<std::size_t>(sink.rows[first_rows].trace.token.position), second.size());
    EXPECT_GT(sink.rows[first_rows].trace.token.position, 10);  // much was kept

    test::CollectingSink fresh_sink;
    Generation fresh(model, *processor, limits(128), &fresh_sink);
    const LaneId fresh_lane = fresh.addLane(lanes[0].settings);
    fresh.startTurn(fresh_lane, second, true);
    fresh.run({});
    EXPECT_EQ(generation.tokens(lane), fresh.tokens(fresh_lane));
    const auto reused_logits = generation.lastLogits(lane);
    const auto fresh_logits = fresh.lastLogits(fresh_lane);
    EXPECT_EQ(std::memcmp(reused_logits.data(), fresh_logits.data(), fresh_logits.size_bytes()), 0);
}

TEST_P(GenerationInvariance, AForkWithTheSameSettingsIsTheSameLaneAndLeavesTheOtherAlone) {
    const std::vector<Script> lanes = scripts(model, 1);
    const std::vector<unsigned char> alone = bytesOf(runTogether({lanes[0]}, 128, 0), 0);
    for (const int after : isSlow() ? std::vector<int>{5} : std::vector<int>{1, 5, 12, 20}) {
        test::CollectingSink sink;
        Generation generation(model, *processor, limits(128), &sink);
        const LaneId lane = generation.addLane(lanes[0].settings);
        generation.startTurn(lane, lanes[0].prompt, true);
        for (int step = 0; step < after; ++step) generation.step();
        const LaneId fork = generation.forkLane(lane, generation.status(lane).tokens, lanes[0].settings);
        LaneSettings other = lanes[0].settings;
        other.sampling.seed += 1;
        other.budget = kUnlimitedBudget;
        generation.forkLane(lane, generation.status(lane).tokens, other);  // writes into pages that it shares
        generation.run({});
        EXPECT_EQ(generation.tokens(fork), generation.tokens(lane)) << "forked after " << after << " steps";
        EXPECT_EQ(bytesOf(sink, lane), alone) << "forked after " << after << " steps";
    }
}

std::vector<Case> cases() {
    std::vector<Case> cases{{"reference_moe", "reference", 8},
                            {"cpu_moe", "cpu", 8},
                            {"cpu_dense", "cpu", 0},
                            {"host_cuda_moe", "host_cuda", 8}};
    if (test::hasCudaDevice()) cases.push_back({"cuda_moe", "cuda", 8});
    return cases;
}
INSTANTIATE_TEST_SUITE_P(Processors, GenerationInvariance, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace mixoscope
