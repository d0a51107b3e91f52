// The generation loop led by a script, for the tests of what it does.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/generation.h"
#include "support/collecting_sink.h"
#include "support/scripted_backend.h"
#include "support/tiny_model.h"

namespace mixoscope::test {

constexpr TokenId kWord = 'w';
inline const std::vector<TokenId> kPrompt = {'a', 'b', 'c', 'd', 'e'};
inline const std::string kStopText = "stop\n</think>\n\n";
inline const std::vector<TokenId> kStopIds = {'s', 't', 'o', 'p', '\n', kTinyThinkClose, '\n', '\n'};

inline LaneSettings greedySettings(std::int32_t budget = kUnlimitedBudget) {
    LaneSettings settings;
    settings.sampling.greedy = true;
    settings.budget = budget;
    settings.early_stop.text = kStopText;
    settings.max_tokens = 60;
    return settings;
}

/// A model that says `plan` from the end of the prompt on, then words for ever.
class GenerationTest : public testing::Test {
protected:
    GenerationTest()
        : model(openTinyModel({.layers = 1})), backend(model.config.vocab_size, [this](TokenId, std::int64_t position) {
              const auto index = static_cast<std::size_t>(position + 1 - plan_from);
              return index < plan.size() ? plan[index] : kWord;
          }) {}

    Generation make(GenerationLimits limits = {}) { return Generation(model, backend, limits, &sink); }

    void runAll(Generation& generation) {
        for (int steps = 0; generation.step(); ++steps) ASSERT_LT(steps, 5000) << "the generation does not end";
    }

    /// One turn from the beginning; returns the ids that were chosen.
    std::vector<TokenId> turn(const LaneSettings& settings, bool thinking = true) {
        Generation generation = make();
        const LaneId lane = generation.addLane(settings);
        generation.startTurn(lane, kPrompt, thinking);
        runAll(generation);
        status = generation.status(lane);
        return chosenIds();
    }
    std::vector<TokenId> chosenIds(LaneId lane = 0) const {
        std::vector<TokenId> ids;
        for (const TokenTrace& token : sink.chosen(lane)) ids.push_back(token.id);
        return ids;
    }
    std::vector<TokenId> think(int words) const {
        std::vector<TokenId> ids = {kTinyThinkOpen};
        ids.insert(ids.end(), static_cast<std::size_t>(words), kWord);
        return ids;
    }

    Model model;
    std::vector<TokenId> plan;
    std::int64_t plan_from = std::ssize(kPrompt);
    ScriptedBackend backend;
    CollectingSink sink;
    LaneStatus status;
};

inline std::vector<TokenId> joined(std::initializer_list<std::vector<TokenId>> parts) {
    std::vector<TokenId> all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

}  // namespace mixoscope::test
