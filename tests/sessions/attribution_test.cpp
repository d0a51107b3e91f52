// What an expert did for a token, against a forward pass without the expert.
#include "sessions/attribution.h"

#include <gtest/gtest.h>

#include <cmath>

#include "comparison_fixture_test.h"
#include "engine/forward.h"
#include "engine/next_token_divergence.h"
#include "engine/routing_policy.h"

namespace mixoscope {
namespace {

using namespace test;

TEST_F(ComparisonTest, AnExpertsPartIsWhatAForwardPassWithoutItSays) {
    auto comparison =
        run({laneWith("model"), laneWith("top-k:k=1,capacity=1.25"), laneWith("bias-balanced:rate=0.01")});
    const auto shown = comparison->snapshot();
    const ComparedLane& lane = shown->lanes[0];
    const std::int32_t first = lane.free.turns.back().first_generated_position;
    for (const std::int32_t position : {first, first + 2}) {
        const std::size_t rows_before = sink.rows.size();
        Attribution attribution(comparison->generation(), *loaded, lane.origin.lane, position, lane.free.history);
        int batches = 1;
        while (attribution.step()) ++batches;
        const AttributionSnapshot& result = attribution.result();
        EXPECT_TRUE(result.complete());
        EXPECT_EQ(result.total, 3 * 2);
        EXPECT_EQ(result.done, result.total);
        EXPECT_LE(batches, 2);
        EXPECT_EQ(sink.rows.size(), rows_before) << "such lanes are not traced";

        const std::vector<TokenId> sequence = comparison->generation().tokens(lane.origin.lane);
        /// Log-probability of the token when the row before it is computed under `policy` and all others under `model`.
        const auto independent = [&](const std::string& policy) {
            const auto pass =
                loaded->backend->makeForwardPass(loaded->model, {.rows = 64, .logit_rows = 1, .slots = 2}, 8);
            KvSequence kv(pass->cache());
            EXPECT_TRUE(kv.extend(position));
            std::vector<float> last;
            LaneRouting plain(parsePolicy("model", loaded->model), loaded->model.config, 64);
            LaneRouting changed(parsePolicy(policy, loaded->model), loaded->model.config, 64);
            for (std::int32_t row = 0; row < position; ++row) {
                const bool is_last = row + 1 == position;
                const ForwardRow fed{.token = sequence[static_cast<std::size_t>(row)],
                                     .sequence = {.pages = kv.pages(), .position = row},
                                     .routing = is_last ? &changed : &plain,
                                     .wants_logits = is_last};
                const auto logits = pass->run(std::span(&fed, 1), nullptr);
                if (is_last) last.assign(logits.row(0), logits.row(0) + logits.columns);
            }
            return logProbability(last, sequence[static_cast<std::size_t>(position)]);
        };
        EXPECT_EQ(result.logprob, independent("model"));
        for (std::int32_t layer = 0; layer < 3; ++layer) {
            for (std::int32_t slot = 0; slot < result.slots; ++slot) {
                const auto cell = static_cast<std::size_t>(layer * result.slots + slot);
                EXPECT_EQ(result.experts[cell],
                          lane.free.history.experts(position - 1, layer)[static_cast<std::size_t>(slot)]);
                if (result.experts[cell] < 0) continue;
                const std::string ban =
                    "model+ban:experts=" + std::to_string(result.experts[cell]) + ",layers=" + std::to_string(layer);
                EXPECT_EQ(result.changes[cell], independent(ban) - result.logprob) << ban;
            }
        }
    }
    const auto refused = [&](std::size_t index, std::int32_t position, const std::string& mentions) {
        const ComparedLane& other = shown->lanes[index];
        try {
            Attribution(comparison->generation(), *loaded, other.origin.lane, position, other.free.history);
            ADD_FAILURE() << "not refused";
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(mentions), std::string::npos) << error.what();
        }
    };
    refused(0, 2, "generated");
    refused(0, 5000, "generated");
    refused(0, first + 8, "injected");
    refused(1, first, "row alone");
    refused(2, first + 3, "past");
    EXPECT_EQ(comparison->generation().lanes().size(), 3U) << "nothing is left behind";
}

TEST_F(ComparisonTest, ExpertsAreAllMeasuredWhereThereIsRoomForOneLaneOnly) {
    auto comparison = run({laneWith("model"), laneWith("top-k:k=1")});
    const ComparedLane lane = comparison->snapshot()->lanes[0];
    const std::int32_t position = lane.free.turns.back().first_generated_position + 1;
    const auto measured = [&] {
        Attribution attribution(comparison->generation(), *loaded, lane.origin.lane, position, lane.free.history);
        while (attribution.step()) {
        }
        return attribution.result();
    };
    const AttributionSnapshot expected = measured();
    ASSERT_EQ(expected.done, 3 * 2);
    std::vector<LaneId> others;
    try {
        for (;;) others.push_back(comparison->generation().addLane(laneWith("model")));
    } catch (const Error&) {
        comparison->generation().removeLane(others.back());
    }
    const AttributionSnapshot found = measured();
    EXPECT_TRUE(found.complete());
    EXPECT_EQ(found.logprob, expected.logprob);
    for (std::size_t cell = 0; cell < expected.changes.size(); ++cell) {
        if (expected.experts[cell] >= 0) {
            EXPECT_EQ(found.changes[cell], expected.changes[cell]) << cell;
        }
    }
    comparison->generation().addLane(laneWith("model"));
    EXPECT_THROW(measured(), Error) << "no room at all";
}

}  // namespace
}  // namespace mixoscope
