// `mixoscope generate`: one turn, headless.
#include <algorithm>
#include <functional>
#include <iomanip>
#include <limits>
#include <optional>
#include <sstream>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/lane_options.h"
#include "app/commands/model_options.h"
#include "app/commands/prompt_options.h"
#include "app/commands/token_printer.h"
#include "app/commands/turn_recording.h"
#include "app/resource_directory.h"
#include "engine/generation.h"
#include "engine/routing_policy.h"
#include "sessions/record_names.h"
#include "sessions/recorded_conversation.h"
#include "sessions/recorded_model_files.h"
#include "sessions/turn_plan.h"

namespace mixoscope {

namespace {

struct GenerateOptions {
    const CLI::App* command = nullptr;
    ModelOptions model;
    PromptOptions prompt;
    LaneOptions lane;
    std::string continued;  // a recorded session
    std::int64_t at = -1;   // its step; < 0: the last one
    bool other_model = false;
    std::string record;
    bool json = false;
};

/// What is told of a recording that nobody records again.
class NoSink final : public TraceSink {
public:
    void onRow(const StepTrace&) override {}
    void onEvent(const LaneEvent&) override {}
    void onStepEnd(Step) override {}
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

/// Generates what the lane has left, prints what it came to, and closes the recording with `answer`.
int finishTurn(Generation& generation, LaneId lane, TokenPrinter& printer, std::optional<TurnRecording>& recording,
               const std::function<std::string()>& answer, const GenerateOptions& options, CommandStreams& streams) {
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
    if (recording) recording->close(answer());
    if (status.stop_reason != StopReason::kError) return kDone;
    streams.err << "mixoscope: the model gave no distribution to choose a token from (its logits hold NaN or "
                   "infinity)\n";
    return kWorkFailed;
}

std::shared_ptr<LoadedModel> loadRecorded(const RecordedConversation& recorded, const GenerateOptions& options) {
    ModelOptions model = options.model;
    if (options.command->count("--model") == 0)
        model.model = nameOfRecordedModel(recorded.model(), resourceDirectory() / "demo");
    std::shared_ptr<LoadedModel> loaded = model.load();
    std::optional<ErrorParts> difference = differenceOfModels(recorded.model(), loaded->identity);
    if (difference && !options.other_model) {
        difference->advice = "Give --other-model to go on with it all the same";
        throw Error(std::move(*difference));
    }
    recorded.checkFits(loaded->model);
    return loaded;
}

/// The turn of a recorded conversation from one of its steps on.
int runContinue(const GenerateOptions& options, CommandStreams& streams) {
    if (!options.record.empty()) refuseExisting(options.record);
    const RecordedConversation recorded(options.continued, options.at);
    const auto loaded = loadRecorded(recorded, options);
    const Model& model = loaded->model;
    const LaneSettings settings = options.lane.settingsOver(recorded.settings(), *options.command);
    const std::int32_t slots = std::max(recorded.model().shape.slots, slotsFor(settings, model.config));
    std::optional<TurnRecording> recording;
    if (!options.record.empty()) recording.emplace(loaded, options.record, slots, recorded.title());
    TokenPrinter printer(streams.out, options.json, model.tokenizer ? &*model.tokenizer : nullptr,
                         recording ? &recording->sink() : nullptr);
    Generation generation(model, *loaded->backend, {.max_lanes = 1, .slots = slots}, &printer);
    const LaneId lane = generation.addLane(settings);
    if (!recorded.goesOn(settings, generation.contextTokens()))
        throw Error({.what = "Nothing is left to generate: the turn ends there",
                     .where = recorded.file().string() + ", step " + std::to_string(recorded.step()),
                     .advice = "Give an earlier step with --at, or a larger --max-tokens"});
    if (recording) recording->begin(recorded, lane, generation);
    NoSink none;
    const RecordedTurn turn = recorded.copyTo(recording ? recording->sink() : none, lane, model, true, [&] {
        if (recording) recording->keepUp();
    });
    generation.resumeTurn(lane, turn);
    const auto answer = [&] {
        return answerOf(model, generation.tokens(lane), static_cast<std::size_t>(turn.prompt_tokens));
    };
    return finishTurn(generation, lane, printer, recording, answer, options, streams);
}

int runGenerate(const GenerateOptions& options, CommandStreams& streams) {
    if (!options.continued.empty()) return runContinue(options, streams);
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
    return finishTurn(
        generation, lane, printer, recording, [&] { return printer.text(); }, options, streams);
}

}  // namespace

void addGenerateCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<GenerateOptions>();
    CLI::App* command = program.add_subcommand("generate", "One turn of a conversation, as text or as JSON lines");
    options->model.addModel(*command);
    options->model.addBackend(*command);
    options->command = command;
    CLI::Option* continued = options->prompt.add(*command).add_option(
        "--continue", options->continued,
        "Go on with the turn of this recorded session (.mixo), with its model and settings; options given here change "
        "them from there on");
    command->add_option("--at", options->at, "With --continue: the step of the recording, from 1; without: its end")
        ->needs(continued)
        ->check(CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()));
    command
        ->add_flag("--other-model", options->other_model,
                   "With --continue: also when the model on disk is not the one recorded")
        ->needs(continued);
    options->lane.add(*command);
    // Both are part of a prompt, which the recording has.
    for (const char* of_prompt : {"--mode", "--system"}) command->get_option(of_prompt)->excludes(continued);
    command->add_option("--record", options->record,
                        "Write the turn with its routing into this new session file (.mixo)");
    command->add_flag("--json", options->json, "One JSON line a token, and a last line with the summary");
    command->callback(
        [options, &action] { action = [options](CommandStreams& streams) { return runGenerate(*options, streams); }; });
}

}  // namespace mixoscope
