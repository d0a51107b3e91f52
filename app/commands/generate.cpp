// `mixoscope generate`: one turn, headless.
#include <iomanip>
#include <sstream>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/lane_options.h"
#include "app/commands/model_options.h"
#include "app/commands/prompt_options.h"
#include "app/commands/token_printer.h"
#include "engine/generation.h"
#include "engine/routing_policy.h"

namespace mixoscope {

namespace {

struct GenerateOptions {
    ModelOptions model;
    PromptOptions prompt;
    LaneOptions lane;
    bool json = false;
};

std::string summaryText(const LaneStatus& status) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << "prompt " << status.prompt_tokens << ", thinking "
         << status.thinking_tokens << ", answer " << status.answer_tokens << ", injected " << status.injected_tokens
         << " tokens; first token after " << status.ttft_ms << " ms";
    if (status.tpot_ms > 0.0) text << ", then " << 1000.0 / status.tpot_ms << " tokens/s";
    text << "; stopped: " << stopReasonName(status.stop_reason);
    return text.str();
}

int runGenerate(const GenerateOptions& options, CommandStreams& streams) {
    const Model model = options.model.open();
    const Prompt prompt = options.prompt.make(model, options.lane.thinkingMode(), options.lane.budgetTokens());
    const LaneSettings settings = options.lane.settings(model, prompt.thinking);
    const int policy_slots = parsePolicy(settings.policy, model.config)->maxSlots();
    const auto backend = options.model.makeBackend();
    TokenPrinter printer(streams.out, options.json, model.tokenizer ? &*model.tokenizer : nullptr, nullptr);
    Generation generation(model, *backend, {.max_lanes = 1, .slots = policy_slots}, &printer);
    const LaneId lane = generation.addLane(settings);
    generation.startTurn(lane, prompt.ids, prompt.thinking);
    generation.run({});
    printer.finish();
    const LaneStatus status = generation.status(lane);
    if (options.json) {
        streams.out << nlohmann::ordered_json{{"summary", summaryJson(status)}}.dump() << '\n';
    } else {
        streams.err << summaryText(status) << '\n';
    }
    if (status.stop_reason != StopReason::kError) return kDone;
    streams.err
        << "mixoscope: the model gave no distribution to choose a token from (its logits hold NaN or infinity)\n";
    return kWorkFailed;
}

}  // namespace

void addGenerateCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<GenerateOptions>();
    CLI::App* command = program.add_subcommand("generate", "One turn of a conversation, as text or as JSON lines");
    options->model.addModel(*command);
    options->model.addBackend(*command);
    options->prompt.add(*command);
    options->lane.add(*command);
    command->add_flag("--json", options->json, "One JSON line a token, and a last line with the summary");
    command->callback(
        [options, &action] { action = [options](CommandStreams& streams) { return runGenerate(*options, streams); }; });
}

}  // namespace mixoscope
