// The embedded models through the whole engine: prompts, and greedy tokens to the end of the turn. The expected ids are
// in resources/demo/eval/greedy, written by train/check_export.py: those of Hugging Face transformers, and for the rule
// that demo-any was trained with, which transformers does not know, those of train/inference.py. MIXO_DEMO_ANSWERS
// names another file of that form, to compare more; the filter then has to choose the member that it is of.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "support/paths.h"

namespace mixoscope {
namespace {

using nlohmann::json;

constexpr std::size_t kLanes = 8;

/// Whose turns are compared, under which policy, with which file.
struct Turns {
    const char* model;
    const char* policy;
    const char* sample;
};

/// For the names of the tests, which would hold addresses otherwise.
void PrintTo(const Turns& turns, std::ostream* out) {
    *out << turns.sample << " under " << turns.policy;
}

constexpr Turns kTurns[] = {
    {.model = "demo", .policy = "model", .sample = "demo"},
    {.model = "demo-top1", .policy = "model", .sample = "demo-top1"},
    {.model = "demo-any", .policy = "any-experts:min=2,max=6,virtual=0.4,importance=uncertainty", .sample = "demo-any"},
    {.model = "demo-any", .policy = "model", .sample = "demo-any-top6"},
};

struct Exchange {
    std::string user;
    bool thinking = false;
    std::vector<TokenId> prompt;
    std::vector<TokenId> generated;  // with the id that ends the turn
};

std::vector<Exchange> readExchanges(const std::string& sample) {
    const char* named = std::getenv("MIXO_DEMO_ANSWERS");
    const std::filesystem::path samples = test::resourcesDirectory() / "demo" / "eval" / "greedy";
    std::ifstream stream(named == nullptr ? samples / (sample + ".jsonl") : std::filesystem::path(named));
    std::vector<Exchange> exchanges;
    for (std::string line; std::getline(stream, line);) {
        const json parsed = json::parse(line);
        exchanges.push_back({parsed["user"], parsed["think"], parsed["prompt_ids"], parsed["generated_ids"]});
    }
    return exchanges;
}

class DemoModel : public testing::TestWithParam<Turns> {
protected:
    DemoModel()
        : model(openModel(GetParam().model, test::resourcesDirectory() / "demo")),
          exchanges(readExchanges(GetParam().sample)) {}

    Model model;
    std::vector<Exchange> exchanges;
};

TEST_P(DemoModel, TheSampleHasEveryTaskInBothModes) {
    const auto thinking =
        std::count_if(exchanges.begin(), exchanges.end(), [](const Exchange& e) { return e.thinking; });
    EXPECT_GE(thinking, 35);
    EXPECT_EQ(std::ssize(exchanges), 2 * thinking);
}

TEST_P(DemoModel, PromptsAreTheOnesItWasTrainedWith) {
    for (const Exchange& exchange : exchanges) {
        const std::vector<Message> messages = {{.role = Role::kUser, .content = exchange.user}};
        EXPECT_EQ(resolveThinking(ThinkingMode::kAuto, messages), exchange.thinking) << exchange.user;
        EXPECT_EQ(model.tokenizer->encode(renderChat(messages, exchange.thinking, model.thinking_support)),
                  exchange.prompt)
            << exchange.user;
    }
}

TEST_P(DemoModel, GreedyTurnsAreTheExpectedOnes) {
    const auto backend = kernels::makeCpuBackend(2);
    LaneSettings settings;
    settings.sampling.greedy = true;
    settings.policy = GetParam().policy;
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

INSTANTIATE_TEST_SUITE_P(Members, DemoModel, testing::ValuesIn(kTurns), [](const auto& info) {
    std::string name = info.param.sample;
    std::ranges::replace(name, '-', '_');
    return name;
});

}  // namespace
}  // namespace mixoscope
