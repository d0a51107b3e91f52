// A comparison of lanes on a small random model, and what it is held against.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sessions/comparison.h"
#include "support/collecting_sink.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope::test {

inline LaneSettings laneWith(const std::string& policy, std::uint64_t seed = 3) {
    LaneSettings settings;
    settings.policy = policy;
    settings.sampling = {.temperature = 1.0F, .top_p = 0.95F, .seed = seed};
    settings.max_tokens = 24;
    settings.ignore_eos = true;
    settings.budget = 6;
    settings.early_stop.text = "enough</think>\n";
    return settings;
}

inline std::vector<LaneSettings> fourLanes() {
    return {laneWith("model"), laneWith("top-k:k=1,capacity=1.25"), laneWith("any-experts:min=1,max=4,virtual=0.4"),
            laneWith("random:k=2,seed=1")};
}

class ComparisonTest : public testing::Test {
protected:
    ComparisonTest() {
        writeTinyModel(model_directory, {.seed = 9});
        WorkbenchOptions options;
        options.threads = 2;
        loaded = loadModel(model_directory.string(), options, [](std::string_view) {});
    }

    /// Ids that open the block, so that budgets act although random weights never say <think>.
    static ComparisonPrompt prompt() {
        ComparisonPrompt made;
        for (TokenId id = 40; id < 70; ++id) made.ids.push_back(id);
        made.ids.push_back(kTinyThinkOpen);
        return made;
    }
    std::unique_ptr<Comparison> make(const std::vector<LaneSettings>& lanes, const ComparisonPrompt& asked = prompt()) {
        Comparison::Options options;
        options.also = &sink;
        options.wait_for_readers = true;
        options.record = file;
        options.metadata = {{"title", "four lanes"}};
        return std::make_unique<Comparison>(loaded, asked, lanes, std::move(options));
    }
    static void finish(Comparison& comparison) {
        while (comparison.step()) {
        }
    }
    std::unique_ptr<Comparison> run(const std::vector<LaneSettings>& lanes) {
        auto comparison = make(lanes);
        comparison->startRun();
        finish(*comparison);
        return comparison;
    }

    TemporaryDirectory directory;
    std::filesystem::path model_directory = directory.path();
    std::filesystem::path file;  // of the session; empty: none
    std::shared_ptr<LoadedModel> loaded;
    CollectingSink sink;
};

inline std::vector<TokenId> generatedIds(const LaneSnapshot& lane) {
    std::vector<TokenId> ids;
    for (std::int32_t position = lane.turns.back().first_generated_position; position < lane.history.tokenCount();
         ++position)
        ids.push_back(lane.history.token(position).trace.id);
    return ids;
}

/// A lane's rows without what tells of its neighbours.
inline std::vector<unsigned char> bytesOf(const CollectingSink& sink, LaneId lane, std::int32_t from = 0) {
    std::vector<unsigned char> bytes;
    const auto add = [&](const auto& value) {
        const auto* first = reinterpret_cast<const unsigned char*>(&value);
        bytes.insert(bytes.end(), first, first + sizeof value);
    };
    for (const auto& row : sink.ofLane(lane)) {
        if (row.trace.token.position < from) continue;
        for (const TokenTrace& token : {row.trace.token, row.trace.next}) {
            add(token.position), add(token.id), add(token.phase), add(token.flags), add(token.logprob), add(token.rank);
        }
        for (std::size_t slot = 0; slot < row.expert_ids.size(); ++slot) {
            if (row.expert_ids[slot] != -1) add(row.expert_ids[slot]), add(row.expert_weights[slot]);
        }
        for (const RouterFacts& facts : row.router) add(facts.entropy), add(facts.top_probability);
    }
    return bytes;
}

}  // namespace mixoscope::test
