// `mixoscope generate`: one turn, headless.
#include <algorithm>
#include <iomanip>
#include <optional>
#include <sstream>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/lane_options.h"
#include "app/commands/model_options.h"
#include "app/commands/prompt_options.h"
#include "app/commands/token_printer.h"
#include "app/commands/turn_recording.h"
#include "engine/generation.h"
#include "engine/routing_policy.h"
#include "sessions/record_names.h"

namespace mixoscope {

namespace {

struct GenerateOptions {
    ModelOptions model;
    PromptOptions prompt;
    LaneOptions lane;
    std::string record;
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

/// Policies that choose more experts than the checkpoint need wider traces.
std::int32_t slotsFor(const LaneSettings& settings, const ModelConfig& config) {
    const auto own = static_cast<std::int32_t>(config.num_experts_per_tok);
    return std::max<std::int32_t>(own, parsePolicy(settings.policy, config)->maxSlots());
}

int runGenerate(const GenerateOptions& options, CommandStreams& streams) {
    const auto loaded = options.model.load();
    const Model& model = loaded->model;
    const Prompt prompt = options.prompt.make(model, options.lane.thinkingMode(), options.lane.budgetTokens());
    const LaneSettings settings = options.lane.settings(*loaded, prompt.thinking);
    const std::int32_t slots = slotsFor(settings, model.config);
    std::optional<TurnRecording> recording;
    if (!options.record.empty()) {
        const std::string& title = prompt.messages.empty() ? options.prompt.ids : prompt.messages.back().content;
        recording.emplace(loaded, options.record, slots, title);
    }
    TokenPrinter printer(streams.out, options.json, model.tokenizer ? &*model.tokenizer : nullptr,
                         recording ? &recording->sink() : nullptr);
    Generation generation(model, *loaded->backend, {.max_lanes = 1, .slots = slots}, &printer);
    const LaneId lane = generation.addLane(settings);
    generation.startTurn(lane, prompt.ids, prompt.thinking);
    if (recording) recording->begin(prompt.messages, settings, lane, generation);
    while (generation.step()) {
        if (recording) recording->keepUp();
    }
    printer.finish();
    const LaneStatus status = generation.status(lane);
    if (options.json) {
        streams.out << nlohmann::ordered_json{{"summary", summaryJson(status)}}.dump() << '\n';
    } else {
        streams.err << summaryText(status) << '\n';
    }
    if (recording) recording->close(printer.text());
    if (status.stop_reason != StopReason::kError) return kDone;
    streams.err << "mixoscope: the model gave no distribution to choose a token from (its logits hold NaN or "
                   "infinity)\n";
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
    command->add_option("--record", options->record,
                        "Write the turn with its routing into this new session file (.mixo)");
    command->add_flag("--json", options->json, "One JSON line a token, and a last line with the summary");
    command->callback(
        [options, &action] { action = [options](CommandStreams& streams) { return runGenerate(*options, streams); }; });
}

}  // namespace mixoscope
