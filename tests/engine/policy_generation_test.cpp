// Policies in the generation loop: a lane has the same bits alone, beside others and in any chunks, forks and later
// turns are what a fresh lane would be, neutral settings are the checkpoint's own, and what was traced adds up.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "engine/generation.h"
#include "engine/routing_policy.h"
#include "support/allocation_counter.h"
#include "support/collecting_sink.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

constexpr unsigned kSeed = 91;

/// Policies that look at nothing but the row or the lane's past, one of each and some combined.
const std::vector<std::string>& causalPolicies() {
    static const std::vector<std::string> kPolicies = {
        "model",
        "top-k:k=3,renorm=false",
        "top-k:k=2,second=0.5,seed=4",
        "top-p:p=0.5",
        "entropy:min=1,max=5",
        "skip:beta=0.6",
        "any-experts:min=1,max=4,virtual=0.4",
        "any-experts:min=1,max=4,importance=norm",
        "any-experts:min=2,max=2,virtual=0.5,importance=constant,share=damp",
        "bias-balanced:rate=0.01",
        "sigmoid:k=2,groups=4,kept=2,scale=2.5",
        "random:k=3",
        "hash:k=2",
        "round-robin:k=1",
        "ban:experts=0-2",
        "force:experts=6/7",
        "bias:experts=1/3,add=2",
        "top-k:k=4,phase=thinking+random:phase=answer,layers=1+ban:experts=5,phase=thinking",
        "top-k:k=1,tokens=injected+bias-balanced:k=3,rate=0.02",
    };
    return kPolicies;
}

const std::vector<std::string>& stepPolicies() {
    static const std::vector<std::string> kPolicies = {"top-k:k=2,capacity=0.5", "top-k:k=1,capacity=1,drop=score",
                                                       "expert-choice:capacity=1",
                                                       "top-k:k=2,capacity=0.6,phase=prompt+bias-balanced:rate=0.01"};
    return kPolicies;
}

LaneSettings settingsWith(const std::string& policy, std::uint64_t seed = 5) {
    LaneSettings settings;
    settings.policy = policy;
    settings.budget = 6;
    settings.early_stop.text = "enough</think>\n";
    settings.sampling = {.temperature = 1.0F, .top_p = 0.95F, .seed = seed};
    settings.max_tokens = 26;
    settings.ignore_eos = true;
    return settings;
}

/// A prompt that opens the block, so that all phases and kinds of tokens occur.
std::vector<TokenId> promptOf(unsigned seed, std::size_t length) {
    std::mt19937 random(seed);
    std::vector<TokenId> prompt(length);
    for (TokenId& token : prompt) token = static_cast<TokenId>(random() % 250);
    prompt.push_back(test::kTinyThinkOpen);
    return prompt;
}

/// All that must not depend on neighbours, chunks or how the lane came about.
std::vector<unsigned char> bytesOf(const std::vector<test::CollectedRow>& rows, std::int32_t from = 0) {
    std::vector<unsigned char> bytes;
    const auto add = [&](const auto& value) {
        const auto* first = reinterpret_cast<const unsigned char*>(&value);
        bytes.insert(bytes.end(), first, first + sizeof value);
    };
    for (const test::CollectedRow& row : rows) {
        if (row.trace.token.position < from) continue;
        add(row.trace.token.position);
        add(row.trace.token.id);
        add(row.trace.token.phase);
        add(row.trace.next.id);
        for (const auto id : row.expert_ids) add(id);
        for (const auto weight : row.expert_weights) add(weight);
        for (const RouterFacts& facts : row.router) {
            add(facts.entropy);
            add(facts.next_expert);
            add(facts.active);
            add(facts.flags);
        }
    }
    return bytes;
}

class PolicyGeneration : public testing::Test {
protected:
    PolicyGeneration() : model(test::openTinyModel({.seed = kSeed})), backend(kernels::makeCpuBackend(2)) {}

    static GenerationLimits limits(std::int32_t chunk = 128) {
        return {.context_tokens = 160, .max_lanes = 8, .prefill_chunk = chunk, .slots = 8};
    }
    std::vector<test::CollectedRow> alone(const LaneSettings& settings, const std::vector<TokenId>& prompt,
                                          std::int32_t chunk = 128) {
        test::CollectingSink sink;
        Generation generation(model, *backend, limits(chunk), &sink);
        generation.startTurn(generation.addLane(settings), prompt, true);
        generation.run({});
        return sink.rows;
    }

    Model model;
    std::unique_ptr<kernels::Backend> backend;
};

TEST_F(PolicyGeneration, ACausalPolicyHasTheSameBitsAloneBesideOthersAndInAnyChunks) {
    for (const std::string& policy : causalPolicies()) {
        const LaneSettings settings = settingsWith(policy);
        const std::vector<TokenId> prompt = promptOf(1, 40);
        const auto expected = bytesOf(alone(settings, prompt));
        EXPECT_TRUE(bytesOf(alone(settings, prompt, 1)) == expected) << policy;
        EXPECT_TRUE(bytesOf(alone(settings, prompt, 7)) == expected) << policy;
        test::CollectingSink sink;
        Generation generation(model, *backend, limits(9), &sink);
        const LaneId other = generation.addLane(settingsWith("top-k:k=3", 8));
        const LaneId lane = generation.addLane(settings);
        const LaneId third = generation.addLane(settingsWith(policy, 9));
        generation.startTurn(other, promptOf(2, 21), true);
        generation.step();
        generation.startTurn(lane, prompt, true);
        generation.startTurn(third, promptOf(3, 30), true);
        generation.run({});
        EXPECT_TRUE(bytesOf(sink.ofLane(lane)) == expected) << policy;
    }
}

TEST_F(PolicyGeneration, APolicyOfWholeStepsHasTheSameBitsAloneAndBesideOthers) {
    for (const std::string& policy : stepPolicies()) {
        const LaneSettings settings = settingsWith(policy);
        const std::vector<TokenId> prompt = promptOf(1, 40);
        const auto expected = bytesOf(alone(settings, prompt, 16));
        test::CollectingSink sink;
        Generation generation(model, *backend, limits(16), &sink);
        const LaneId other = generation.addLane(settingsWith(policy, 8));
        const LaneId lane = generation.addLane(settings);
        generation.startTurn(other, promptOf(2, 33), true);
        generation.startTurn(lane, prompt, true);
        generation.run({});
        EXPECT_TRUE(bytesOf(sink.ofLane(lane)) == expected) << policy;
        EXPECT_FALSE(bytesOf(alone(settings, prompt, 9)) == expected) << policy << " depends on chunks, and says so";
    }
}

/// What a lane's turn came to: its trace, each log-probability, and the logits after its last token.
std::vector<unsigned char> resultOf(const test::CollectingSink& sink, const Generation& generation, LaneId lane) {
    const std::vector<test::CollectedRow> rows = sink.ofLane(lane);
    std::vector<unsigned char> bytes = bytesOf(rows);
    const auto add = [&](std::span<const float> values) {
        const auto* first = reinterpret_cast<const unsigned char*>(values.data());
        bytes.insert(bytes.end(), first, first + values.size_bytes());
    };
    for (const test::CollectedRow& row : rows) add({&row.trace.next.logprob, 1});
    add(generation.lastLogits(lane));
    return bytes;
}

TEST_F(PolicyGeneration, EightLanesOfDifferentPoliciesEachHaveTheBitsOfAGenerationOfTheirOwn) {
    std::vector<std::string> order = causalPolicies();
    // Spread, so that each eight has one at least that looks at whole steps.
    for (std::size_t index = 0; index < stepPolicies().size(); ++index)
        order.insert(order.begin() + static_cast<std::ptrdiff_t>(6 * index + 4), stepPolicies()[index]);
    order.emplace_back("any-experts");
    ASSERT_EQ(order.size(), 24U);
    for (std::size_t first = 0; first < order.size(); first += 8) {
        test::CollectingSink sink;
        Generation together(model, *backend, limits(16), &sink);
        for (std::size_t index = first; index < first + 8; ++index) {
            const LaneId lane = together.addLane(settingsWith(order[index], index));
            together.startTurn(lane, promptOf(static_cast<unsigned>(index), 20 + 3 * (index % 8)), true);
            if (index % 3 == 0) together.step();  // they are not at the same place
        }
        together.run({});
        for (std::size_t index = first; index < first + 8; ++index) {
            test::CollectingSink own_sink;
            GenerationLimits of_one = limits(16);
            of_one.max_lanes = 1;
            Generation alone(model, *backend, of_one, &own_sink);
            const LaneId lane = alone.addLane(settingsWith(order[index], index));
            alone.startTurn(lane, promptOf(static_cast<unsigned>(index), 20 + 3 * (index % 8)), true);
            alone.run({});
            ASSERT_FALSE(own_sink.rows.empty());
            EXPECT_TRUE(resultOf(sink, together, static_cast<LaneId>(index - first)) == resultOf(own_sink, alone, lane))
                << order[index];
        }
    }
}

TEST_F(PolicyGeneration, AForkThatChangesNothingGoesOnAsItsSource) {
    std::vector<std::string> policies = causalPolicies();
    policies.insert(policies.end(), stepPolicies().begin(), stepPolicies().end());
    // What remembers the lane's past is fed it again, and what looks at steps must see the same ones.
    policies.emplace_back("top-k:k=2,capacity=0.5,layers=0+bias-balanced:rate=0.05");
    for (const std::string& policy : policies) {
        const LaneSettings settings = settingsWith(policy);
        const std::vector<TokenId> prompt = promptOf(1, 40);
        const auto source_rows = alone(settings, prompt, 16);
        for (const std::int32_t at : {41, 42, 46, 49, 58}) {
            test::CollectingSink sink;
            Generation generation(model, *backend, limits(16), &sink);
            const LaneId source = generation.addLane(settings);
            generation.startTurn(source, prompt, true);
            generation.run({});
            const LaneId fork = generation.forkLane(source, at, settings);
            generation.run({});
            // A cut inside the early-stop text is moved to its end.
            EXPECT_EQ(generation.tokens(fork), generation.tokens(source)) << policy << " at " << at;
            const auto rows = sink.ofLane(fork);
            ASSERT_FALSE(rows.empty());
            const std::int32_t from = std::max(at, rows.front().trace.token.position);
            EXPECT_TRUE(bytesOf(rows, from) == bytesOf(source_rows, from)) << policy << " at " << at;
        }
    }
}

TEST_F(PolicyGeneration, ALaterTurnIsWhatAFreshLaneWouldMakeOfIt) {
    std::vector<std::string> policies = causalPolicies();
    policies.insert(policies.end(), stepPolicies().begin(), stepPolicies().end());
    for (const std::string& policy : policies) {
        const LaneSettings settings = settingsWith(policy);
        test::CollectingSink sink;
        Generation generation(model, *backend, limits(16), &sink);
        const LaneId lane = generation.addLane(settings);
        generation.startTurn(lane, promptOf(1, 40), true);
        generation.run({});
        std::vector<TokenId> second = generation.tokens(lane);
        second.push_back('q');
        second.push_back(test::kTinyThinkOpen);
        const std::size_t before = sink.rows.size();
        generation.startTurn(lane, second, true);
        generation.run({});
        const std::vector<test::CollectedRow> turn(sink.rows.begin() + static_cast<std::ptrdiff_t>(before),
                                                   sink.rows.end());
        const std::int32_t first = turn.front().trace.token.position;
        if (policy == "model") {
            EXPECT_GT(first, 40) << "what is the same is kept";
        }
        EXPECT_TRUE(bytesOf(turn) == bytesOf(alone(settings, second, 16), first)) << policy;
    }
}

TEST_F(PolicyGeneration, OtherSettingsLeaveAPolicysMemoryAlone) {
    for (const char* policy : {"bias-balanced:rate=0.02", "any-experts:min=1,max=4"}) {
        const LaneSettings settings = settingsWith(policy);
        test::CollectingSink sink;
        Generation generation(model, *backend, limits(), &sink);
        const LaneId lane = generation.addLane(settings);
        generation.startTurn(lane, promptOf(1, 40), true);
        for (int step = 0; step < 5; ++step) generation.step();
        LaneSettings other = settings;
        other.early_stop.soft_extra = 1;  // acts only with soft_rank
        generation.requestSettings(lane, other);
        generation.run({});
        EXPECT_TRUE(bytesOf(sink.rows) == bytesOf(alone(settings, promptOf(1, 40)))) << policy;
    }
}

TEST_F(PolicyGeneration, NeutralSettingsGenerateTheCheckpointsOwnBits) {
    const std::vector<TokenId> prompt = promptOf(1, 40);
    const auto expected = bytesOf(alone(settingsWith("model"), prompt));
    for (const char* policy :
         {"top-k:k=2", "top-k:k=2,capacity=100", "top-p:p=0.3,min=2,max=2", "skip:beta=0", "prune",
          "any-experts:min=2,max=2,virtual=0", "entropy:min=2,max=2", "bias-balanced:rate=0", "bias:experts=0-7,add=0",
          "top-k:k=2,phase=thinking+model", "replay", "top-k:k=1,positions=500+model", "top-k:k=2,second=always"})
        EXPECT_TRUE(bytesOf(alone(settingsWith(policy), prompt)) == expected) << policy;
    EXPECT_TRUE(bytesOf(alone(settingsWith("top-p:p=1"), prompt)) == bytesOf(alone(settingsWith("top-k:k=8"), prompt)));
    EXPECT_FALSE(bytesOf(alone(settingsWith("top-k:k=3"), prompt)) == expected);
}

TEST_F(PolicyGeneration, EightWhileThinkingAndFourInTheAnswerIsOneLine) {
    const auto rows = alone(settingsWith("top-k:k=8,phase=thinking+top-k:k=4,phase=answer"), promptOf(1, 40));
    std::array<int, kPhaseCount> seen{};
    for (const test::CollectedRow& row : rows) {
        const std::array<int, kPhaseCount> expected = {2, 8, 4};
        const auto phase = static_cast<std::size_t>(row.trace.token.phase);
        ++seen[phase];
        for (const RouterFacts& facts : row.router) ASSERT_EQ(facts.active, expected[phase]);
    }
    for (const int count : seen) EXPECT_GT(count, 0);
}

TEST_F(PolicyGeneration, TracesAddUpForEveryPolicy) {
    std::vector<std::string> policies = causalPolicies();
    policies.insert(policies.end(), stepPolicies().begin(), stepPolicies().end());
    for (const std::string& policy : policies) {
        int not_run = 0;
        for (const test::CollectedRow& row : alone(settingsWith(policy), promptOf(1, 40))) {
            const std::size_t slots = row.expert_ids.size() / row.router.size();
            for (std::size_t layer = 0; layer < row.router.size(); ++layer) {
                const auto ids = std::span(row.expert_ids).subspan(layer * slots, slots);
                const auto weights = std::span(row.expert_weights).subspan(layer * slots, slots);
                const RouterFacts& facts = row.router[layer];
                const auto active = std::ranges::count_if(ids, [](std::int16_t id) { return id >= 0; });
                const auto marked = std::ranges::count_if(ids, isNotRun<std::int16_t>);
                not_run += static_cast<int>(marked);
                ASSERT_EQ(facts.active, active) << policy;
                ASSERT_EQ((facts.flags & (layer_flag::kDropped | layer_flag::kVirtual)) != 0, marked > 0) << policy;
                ASSERT_EQ((facts.flags & layer_flag::kNone) != 0, active == 0) << policy;
                float sum = 0.0F;
                for (std::size_t slot = 0; slot < slots; ++slot) {
                    ASSERT_TRUE(ids[slot] >= 0 || weights[slot] == 0.0F) << policy;
                    sum += weights[slot];
                }
                if ((facts.flags & layer_flag::kOwnSum) == 0 && active > 0) {
                    ASSERT_NEAR(sum, 1.0F, 1e-5F) << policy;
                }
            }
        }
        const bool marks =
            policy.find("capacity=0") != std::string::npos || policy.find("virtual") != std::string::npos;
        EXPECT_TRUE(!marks || not_run > 0) << policy;
    }
}

TEST_F(PolicyGeneration, NoPolicyAllocatesWhileItDecodes) {
    std::vector<std::string> policies = causalPolicies();
    policies.insert(policies.end(), stepPolicies().begin(), stepPolicies().end());
    for (const std::string& policy : policies) {
        LaneSettings settings = settingsWith(policy);
        settings.max_tokens = 0;
        settings.budget = kUnlimitedBudget;
        Generation generation(model, *backend, limits(16), nullptr);
        generation.startTurn(generation.addLane(settings), promptOf(1, 40), true);
        for (int step = 0; step < 8; ++step) generation.step();
        const std::int64_t before = test::allocationCount();
        for (int step = 0; step < 30; ++step) generation.step();
        EXPECT_EQ(test::allocationCount(), before) << policy;
    }
}

TEST_F(PolicyGeneration, ATextTooLongForItsEventIsRefused) {
    std::string text = "ban:experts=0";
    while (text.size() < sizeof(LaneEvent::text)) text += "+bias:experts=1,add=0.125";
    Generation generation(model, *backend, limits(), nullptr);
    try {
        generation.addLane(settingsWith(text));
        FAIL() << "accepted";
    } catch (const std::exception& error) {
        EXPECT_NE(std::string(error.what()).find("too long to be recorded; expected at most 399 bytes"),
                  std::string::npos)
            << error.what();
    }
}

}  // namespace
}  // namespace mixoscope
