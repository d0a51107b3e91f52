// The forward pass where no outside reference is needed: batches, forks, policies, records, allocation.
#include "engine/forward.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "support/allocation_counter.h"
#include "support/forward_runner.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope::test {
namespace {

std::vector<TokenId> randomTokens(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 304);
    return tokens;
}

class ForwardOn : public testing::TestWithParam<const char*> {
protected:
    std::unique_ptr<kernels::Backend> backend() const {
        return std::string_view(GetParam()) == "cpu" ? kernels::makeCpuBackend(2) : kernels::makeReferenceBackend();
    }
};
INSTANTIATE_TEST_SUITE_P(Backends, ForwardOn, testing::Values("reference", "cpu"),
                         [](const auto& info) { return std::string(info.param); });

/// Several sequences in one cache and one batch, with their own policies.
class Lanes {
public:
    Lanes(const Model& model, kernels::Backend& backend, std::int64_t slots)
        : m_model(model),
          m_backend(backend),
          m_cache(model.config, 64),
          m_activations(model.config, {.rows = 64, .logit_rows = 64, .slots = slots}),
          m_record(traceShapeOf(model.config, slots, true), 64) {}

    std::size_t add(LaneRouting& routing) {
        m_sequences.emplace_back(m_cache);
        m_routings.push_back(&routing);
        return m_sequences.size() - 1;
    }
    std::size_t fork(std::size_t lane, std::int64_t length, LaneRouting& routing) {
        m_sequences.push_back(m_sequences[lane].fork(length));
        m_routings.push_back(&routing);
        return m_sequences.size() - 1;
    }

    struct Feed {
        std::size_t lane;
        std::vector<TokenId> tokens;
    };
    /// One step over all of them; logits of every row, by lane.
    std::vector<std::vector<float>> step(const std::vector<Feed>& feeds) {
        std::vector<ForwardRow> rows;
        for (const Feed& feed : feeds) {
            KvSequence& sequence = m_sequences[feed.lane];
            const std::int64_t first = sequence.length();
            EXPECT_TRUE(sequence.extend(static_cast<std::int64_t>(feed.tokens.size())));
            for (std::size_t index = 0; index < feed.tokens.size(); ++index) {
                rows.push_back({.token = feed.tokens[index],
                                .sequence = {sequence.pages(), first + static_cast<std::int64_t>(index)},
                                .routing = m_routings[feed.lane],
                                .wants_logits = true});
            }
        }
        const kernels::RowsIn logits = forward(m_model, m_backend, m_cache, rows, m_activations, &m_record);
        std::vector<std::vector<float>> copies;
        for (std::int64_t row = 0; row < logits.count; ++row) {
            copies.emplace_back(logits.row(row), logits.row(row) + logits.columns);
        }
        return copies;
    }
    RoutingRecord& record() { return m_record; }

private:
    const Model& m_model;
    kernels::Backend& m_backend;
    KvCache m_cache;
    std::vector<KvSequence> m_sequences;
    std::vector<LaneRouting*> m_routings;
    Activations m_activations;
    RoutingRecord m_record;
};

TEST_P(ForwardOn, ALaneComputesTheSameBitsAloneAndBesideOthers) {
    const Model model = openTinyModel();
    const auto backend_object = backend();
    LaneRouting two = plainTopK(model.config, 2, true);
    LaneRouting one = plainTopK(model.config, 1, false);
    const std::vector<TokenId> a = randomTokens(20, 1);
    const std::vector<TokenId> b = randomTokens(33, 2);

    Lanes alone(model, *backend_object, 2);
    alone.add(two);
    const auto expected_prompt = alone.step({{0, a}});
    const auto expected_next = alone.step({{0, {5}}});

    Lanes together(model, *backend_object, 2);
    together.add(one);
    together.add(two);
    const auto both = together.step({{0, b}, {1, a}});
    const auto next = together.step({{0, {9}}, {1, {5}}});
    EXPECT_TRUE(std::equal(expected_prompt.begin(), expected_prompt.end(), both.begin() + 33, both.end()));
    EXPECT_EQ(expected_next[0], next[1]);
}

TEST_P(ForwardOn, AForkComputesTheSameBitsAsAFreshSequence) {
    const Model model = openTinyModel();
    const auto backend_object = backend();
    LaneRouting routing = plainTopK(model.config);
    const std::vector<TokenId> shared = randomTokens(21, 3);
    const std::vector<TokenId> tail = randomTokens(12, 4);
    std::vector<TokenId> whole(shared.begin(), shared.begin() + 19);
    whole.insert(whole.end(), tail.begin(), tail.end());

    Lanes lanes(model, *backend_object, 2);
    const std::size_t first = lanes.add(routing);
    lanes.step({{first, shared}});
    const std::size_t fork = lanes.fork(first, 19, routing);
    const auto forked = lanes.step({{first, {1}}, {fork, tail}});
    const std::size_t fresh = lanes.add(routing);
    const auto expected = lanes.step({{fresh, whole}});
    EXPECT_EQ(forked.back(), expected.back());
    const std::size_t again = lanes.add(routing);
    std::vector<TokenId> first_whole = shared;
    first_whole.push_back(1);
    EXPECT_EQ(lanes.step({{again, first_whole}}).back(), forked.front());  // the fork left the original alone
}

TEST(ForwardOnCpu, ThreadsDoNotChangeABit) {
    const Model model = openTinyModel();
    const std::vector<TokenId> tokens = randomTokens(50, 5);
    const auto one = kernels::makeCpuBackend(1);
    const auto three = kernels::makeCpuBackend(3);
    ForwardRunner a(model, *one, 64, 64);
    ForwardRunner b(model, *three, 64, 64);
    a.feed(tokens, 50);
    b.feed(tokens, 50);
    EXPECT_TRUE(a.fed() == b.fed());
}

TEST_P(ForwardOn, OnlyWantedRowsGetLogits) {
    const Model model = openTinyModel();
    const auto backend_object = backend();
    LaneRouting routing = plainTopK(model.config);
    KvCache cache(model.config, 4);
    KvSequence sequence(cache);
    ASSERT_TRUE(sequence.extend(4));
    Activations activations(model.config, {.rows = 4, .logit_rows = 4});
    std::vector<ForwardRow> rows;
    for (int index = 0; index < 4; ++index) {
        rows.push_back(
            {.token = 10 + index, .sequence = {sequence.pages(), index}, .routing = &routing, .wants_logits = true});
    }
    const kernels::RowsIn all = forward(model, *backend_object, cache, rows, activations, nullptr);
    ASSERT_EQ(all.count, 4);
    const std::vector<float> second(all.row(1), all.row(1) + all.columns);
    const std::vector<float> fourth(all.row(3), all.row(3) + all.columns);
    rows[0].wants_logits = rows[2].wants_logits = false;
    const kernels::RowsIn some = forward(model, *backend_object, cache, rows, activations, nullptr);
    ASSERT_EQ(some.count, 2);
    EXPECT_TRUE(std::equal(second.begin(), second.end(), some.row(0)));
    EXPECT_TRUE(std::equal(fourth.begin(), fourth.end(), some.row(1)));
    for (ForwardRow& row : rows) row.wants_logits = false;
    EXPECT_EQ(forward(model, *backend_object, cache, rows, activations, nullptr).count, 0);
}

/// Facts of a row worked out from its full distribution, the slow way.
void checkFacts(std::span<const float> distribution, std::span<const std::int16_t> ids, const RouterFacts& facts) {
    std::vector<std::size_t> order(distribution.size());
    for (std::size_t index = 0; index < order.size(); ++index) order[index] = index;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return distribution[a] > distribution[b]; });
    const std::size_t active =
        static_cast<std::size_t>(std::count_if(ids.begin(), ids.end(), [](int id) { return id >= 0; }));
    for (std::size_t slot = 0; slot < active; ++slot) EXPECT_EQ(static_cast<std::size_t>(ids[slot]), order[slot]);
    double entropy = 0.0;
    for (const float p : distribution)
        entropy -= p > 0.0F ? static_cast<double>(p) * std::log(static_cast<double>(p)) : 0.0;
    EXPECT_NEAR(facts.entropy, entropy / std::log(static_cast<double>(distribution.size())), 1e-5);
    EXPECT_EQ(facts.active, active);
    EXPECT_EQ(facts.top_probability, distribution[order[0]]);
    EXPECT_EQ(facts.last_probability, distribution[order[active - 1]]);
    ASSERT_EQ(static_cast<std::size_t>(facts.next_expert), order[active]);
    EXPECT_EQ(facts.next_probability, distribution[order[active]]);
    EXPECT_EQ(facts.flags & layer_flag::kTie, facts.last_probability == facts.next_probability ? layer_flag::kTie : 0);
}

TEST_P(ForwardOn, TheRecordHoldsEachRowsOwnRouting) {
    const Model model = openTinyModel();
    const auto backend_object = backend();
    LaneRouting one = plainTopK(model.config, 1, false);
    LaneRouting three = plainTopK(model.config, 3, true);
    Lanes lanes(model, *backend_object, 4);  // more slots than either policy fills
    lanes.add(one);
    lanes.add(three);
    lanes.step({{0, randomTokens(5, 6)}, {1, randomTokens(6, 7)}});
    for (std::int64_t row = 0; row < 11; ++row) {
        const std::size_t k = row < 5 ? 1 : 3;
        for (std::size_t layer = 0; layer < 3; ++layer) {
            const auto ids = lanes.record().expertIds(row).subspan(layer * 4, 4);
            const auto weights = lanes.record().expertWeights(row).subspan(layer * 4, 4);
            const auto distribution = lanes.record().distributions(row).subspan(layer * 8, 8);
            checkFacts(distribution, ids, lanes.record().router(row)[layer]);
            EXPECT_EQ(lanes.record().router(row)[layer].active, k);
            EXPECT_EQ(lanes.record().router(row)[layer].flags & ~layer_flag::kTie, row < 5 ? layer_flag::kOwnSum : 0);
            float sum = 0.0F;
            for (std::size_t slot = 0; slot < 4; ++slot) {
                EXPECT_EQ(ids[slot] >= 0, slot < k);
                EXPECT_EQ(weights[slot] != 0.0F, slot < k);
                sum += weights[slot];
            }
            EXPECT_NEAR(sum, row < 5 ? distribution[static_cast<std::size_t>(ids[0])] : 1.0F, 1e-6F);
        }
    }
}

TEST_P(ForwardOn, EqualRouterRowsAreATieThatTheLowerIdWins) {
    TinyModelOptions options;
    options.experts_per_token = 2;
    const TemporaryDirectory directory;
    writeTinyModel(directory.path(), options);
    SafetensorsWriter writer = tinyTensors(options);
    for (int layer = 0; layer < 3; ++layer) {  // all routers constant: all experts equally likely
        const auto& offsets =
            writer.header()["model.layers." + std::to_string(layer) + ".mlp.gate.weight"]["data_offsets"];
        std::fill(writer.data().begin() + offsets[0].get<std::ptrdiff_t>(),
                  writer.data().begin() + offsets[1].get<std::ptrdiff_t>(), std::byte{0});
    }
    writeFile(directory / "model.safetensors", writer.bytes());
    const Model model = openModelDirectory(directory.path());
    const auto backend_object = backend();
    ForwardRunner runner(model, *backend_object, 16, 16);
    runner.feed(std::vector<TokenId>{4}, 1);
    for (std::size_t layer = 0; layer < 3; ++layer) {
        EXPECT_EQ(runner.fed().router[0][layer].flags, layer_flag::kTie);
        EXPECT_EQ(runner.fed().expert_ids[0][layer * 2], 0);
        EXPECT_EQ(runner.fed().expert_ids[0][layer * 2 + 1], 1);
        EXPECT_NEAR(runner.fed().router[0][layer].entropy, 1.0F, 1e-6F);
    }
}

TEST_P(ForwardOn, ADenseModelRecordsNothing) {
    const Model model = openTinyModel({.experts = 0});
    const auto backend_object = backend();
    ForwardRunner runner(model, *backend_object, 16, 16);
    runner.feed(std::vector<TokenId>{4, 5}, 2);
    EXPECT_TRUE(runner.fed().expert_ids[0].empty());
    EXPECT_TRUE(runner.fed().router[1].empty());
    EXPECT_TRUE(std::all_of(runner.fed().logits[1].begin(), runner.fed().logits[1].end(),
                            [](float logit) { return std::isfinite(logit); }));
}

TEST(ForwardOnCpu, AStepAllocatesNothing) {
    const Model model = openTinyModel();
    const auto backend = kernels::makeCpuBackend(2);
    LaneRouting routing = plainTopK(model.config);
    KvCache cache(model.config, 16);
    KvSequence sequence(cache);
    Activations activations(model.config, {.rows = 8, .logit_rows = 1});
    RoutingRecord record(traceShapeOf(model.config, 0, true), 8);
    std::vector<ForwardRow> rows;
    rows.reserve(8);
    const auto step = [&](std::int64_t count) {
        const std::int64_t first = sequence.length();
        ASSERT_TRUE(sequence.extend(count));
        rows.clear();
        for (std::int64_t index = 0; index < count; ++index) {
            rows.push_back({.token = static_cast<TokenId>(7 * index),
                            .sequence = {sequence.pages(), first + index},
                            .routing = &routing,
                            .wants_logits = index + 1 == count});
        }
        forward(model, *backend, cache, rows, activations, &record);
    };
    for (int round = 0; round < 4; ++round) step(8);  // the back end's workspace grows to its size
    step(1);
    const std::int64_t before = allocationCount();
    for (int round = 0; round < 20; ++round) step(1);
    for (int round = 0; round < 4; ++round) step(8);
    EXPECT_EQ(allocationCount(), before);
}

}  // namespace
}  // namespace mixoscope::test
