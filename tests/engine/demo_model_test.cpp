// The embedded model through the whole engine against Hugging Face transformers: prompts, and greedy tokens to the end
// of the turn. The expected ids are resources/demo/eval/greedy_sample.jsonl, written by train/check_export.py;
// MIXO_DEMO_ANSWERS names another file of that form, to compare more.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "support/paths.h"

namespace mixoscope {
namespace {

using nlohmann::json;

const std::filesystem::path kDemo = test::resourcesDirectory() / "demo";
constexpr std::size_t kLanes = 8;

struct Exchange {
    std::string user;
    bool thinking = false;
    std::vector<TokenId> prompt;
    std::vector<TokenId> generated;  // with the id that ends the turn
};

std::vector<Exchange> readExchanges() {
    const char* named = std::getenv("MIXO_DEMO_ANSWERS");
    std::ifstream stream(named == nullptr ? kDemo / "eval" / "greedy_sample.jsonl" : std::filesystem::path(named));
    std::vector<Exchange> exchanges;
    for (std::string line; std::getline(stream, line);) {
        const json parsed = json::parse(line);
        exchanges.push_back({parsed["user"], parsed["think"], parsed["prompt_ids"], parsed["generated_ids"]});
    }
    return exchanges;
}

class DemoModel : public testing::Test {
protected:
    DemoModel() : model(openModelDirectory(kDemo)), exchanges(readExchanges()) {}

    Model model;
    std::vector<Exchange> exchanges;
};

TEST_F(DemoModel, TheSampleHasEveryTaskInBothModes) {
    const auto thinking =
        std::count_if(exchanges.begin(), exchanges.end(), [](const Exchange& e) { return e.thinking; });
    EXPECT_GE(thinking, 35);
    EXPECT_EQ(std::ssize(exchanges), 2 * thinking);
}

TEST_F(DemoModel, PromptsAreTheOnesItWasTrainedWith) {
    for (const Exchange& exchange : exchanges) {
        const std::vector<Message> messages = {{.role = Role::kUser, .content = exchange.user}};
        EXPECT_EQ(resolveThinking(ThinkingMode::kAuto, messages), exchange.thinking) << exchange.user;
        EXPECT_EQ(model.tokenizer->encode(renderChat(messages, exchange.thinking, model.thinking_support)),
                  exchange.prompt)
            << exchange.user;
    }
}

TEST_F(DemoModel, GreedyTurnsAreThoseOfTransformers) {
    const auto backend = kernels::makeCpuBackend(2);
    LaneSettings settings;
    settings.sampling.greedy = true;
    for (std::size_t first = 0; first < exchanges.size(); first += kLanes) {
        const std::size_t count = std::min(kLanes, exchanges.size() - first);
        Generation generation(model, *backend, {.max_lanes = kLanes}, nullptr);
        std::vector<LaneId> lanes;
        for (std::size_t index = 0; index < count; ++index) {
            const Exchange& exchange = exchanges[first + index];
            lanes.push_back(generation.addLane(settings));
            generation.startTurn(lanes.back(), exchange.prompt, exchange.thinking);
        }
        generation.run({});
        for (std::size_t index = 0; index < count; ++index) {
            const Exchange& exchange = exchanges[first + index];
            std::vector<TokenId> expected = exchange.prompt;
            expected.insert(expected.end(), exchange.generated.begin(), exchange.generated.end());
            EXPECT_EQ(generation.tokens(lanes[index]), expected) << exchange.user;
            EXPECT_EQ(generation.status(lanes[index]).stop_reason, StopReason::kEndOfTurn) << exchange.user;
        }
    }
}

}  // namespace
}  // namespace mixoscope
