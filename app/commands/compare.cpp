// `mixoscope compare`: two to eight lanes over one prompt, headless.
#include <cmath>
#include <iomanip>
#include <map>
#include <memory>
#include <sstream>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/lane_options.h"
#include "app/commands/model_options.h"
#include "app/commands/prompt_options.h"
#include "app/commands/token_printer.h"
#include "app/commands/turn_recording.h"
#include "sessions/comparison.h"
#include "sessions/comparison_export.h"
#include "sessions/record_names.h"
#include "sessions/session_name.h"

namespace mixoscope {

namespace {

struct CompareOptions {
    ModelOptions model;
    PromptOptions prompt;
    LaneOptions all_lanes;
    std::vector<std::string> lanes;
    bool forced = false;
    bool alone = false;
    std::string record;
    std::string csv;
    bool json = false;
};

/// Prints the tokens of the lanes that run free as JSON lines, each with its lane.
class LanePrinter : public TraceSink {
public:
    LanePrinter(std::ostream& out, const Tokenizer* tokenizer) : m_out(out), m_tokenizer(tokenizer) {}

    void setComparison(const Comparison* comparison) { m_comparison = comparison; }
    void onRow(const StepTrace& trace) override {
        if (TokenPrinter* printer = printerOf(trace.lane)) printer->onRow(trace);
    }
    void onEvent(const LaneEvent&) override {}
    void onStepEnd(Step) override { m_out.flush(); }
    void finish() {
        for (auto& [lane, printer] : m_printers) {
            if (printer) printer->finish();
        }
    }

private:
    /// Null for a lane that is only measured.
    TokenPrinter* printerOf(LaneId lane) {
        const auto known = m_printers.find(lane);
        if (known != m_printers.end()) return known->second.get();
        const std::int32_t index = m_comparison->indexOf(lane);
        auto printer = index < 0 ? nullptr : std::make_unique<TokenPrinter>(m_out, true, m_tokenizer, nullptr, index);
        return m_printers.emplace(lane, std::move(printer)).first->second.get();
    }

    std::ostream& m_out;
    const Tokenizer* m_tokenizer;
    const Comparison* m_comparison = nullptr;
    std::map<LaneId, std::unique_ptr<TokenPrinter>> m_printers;
};

using Json = nlohmann::ordered_json;

/// A number, or null where there is none.
Json orNull(double value) {
    return std::isfinite(value) ? Json(value) : Json();
}
Json timeOrNull(double milliseconds) {
    return milliseconds < 0.0 ? Json() : Json(milliseconds);
}

Json countsJson(const RoutingCounts& prompt, const RoutingCounts& generated, const LaneBalance& balance) {
    RoutingCounts all = prompt;
    all += generated;
    return {{"experts_per_layer", orNull(generated.ranPerLayer())},
            {"expert_bytes_per_token", orNull(generated.bytesPerToken())},
            {"load_cv", orNull(balance.cv)},
            {"load_cv_floor", orNull(balance.cv_floor)},
            {"selections", all.selections()},
            {"dropped", all.dropped},
            {"virtual", all.virtual_selections}};
}

Json forcedJson(const ComparedLane& lane, bool is_base) {
    const ForcedMeasures& quality = lane.quality;
    Json json = {{"tokens", quality.tokens}, {"nll", orNull(quality.nll)}};
    json["nll_change"] = is_base ? Json()
                                 : Json{{"mean", orNull(quality.nll_change.mean)},
                                        {"low", orNull(quality.nll_change.low)},
                                        {"high", orNull(quality.nll_change.high)}};
    json["kl"] = orNull(quality.divergence);
    json["top1_share"] = orNull(quality.same_top_share);
    json["jaccard"] = orNull(lane.forced_overlap.jaccard);
    json["overlap"] = orNull(lane.forced_overlap.overlap);
    json["weight_distance"] = orNull(lane.forced_overlap.weight_distance);
    json.update(countsJson(lane.forced_prompt, lane.forced_generated, lane.forced_balance));
    json["load_moved"] = is_base ? Json() : orNull(lane.forced_load_moved);
    return json;
}

Json laneJson(const ComparedLane& lane, std::size_t index) {
    const bool is_base = index == 0;
    const TurnFacts& turn = lane.free.turns.back();
    Json json = {{"lane", index},
                 {"policy", lane.free.settings.policy},
                 {"prompt_tokens", turn.prompt_tokens},
                 {"shared_prompt_tokens", lane.shared_prompt_tokens},
                 {"prefill_chunk", lane.prefill_chunk > 0 ? Json(lane.prefill_chunk) : Json()},
                 {"thinking_tokens", turn.thinking_tokens},
                 {"answer_tokens", turn.answer_tokens},
                 {"injected_tokens", turn.injected_tokens},
                 {"stop_reason", stopReasonName(turn.stop_reason)},
                 {"first_divergence", lane.first_divergence < 0 ? Json() : Json(lane.first_divergence)},
                 {"ttft_ms", timeOrNull(lane.ttft_ms)},
                 {"tpot_ms", timeOrNull(lane.tpot_ms)},
                 {"latency_ms", timeOrNull(lane.latency_ms)},
                 {"alone_ttft_ms", timeOrNull(lane.alone_ttft_ms)},
                 {"alone_tpot_ms", timeOrNull(lane.alone_tpot_ms)}};
    json["free"] = countsJson(lane.free_prompt, lane.free_generated, lane.free_balance);
    json["free"]["load_moved"] = is_base ? Json() : orNull(lane.free_load_moved);
    json["forced"] = lane.forced_tokens ? forcedJson(lane, is_base) : Json();
    return json;
}

Json summaryJson(const ComparisonSnapshot& comparison) {
    Json lanes = Json::array();
    for (std::size_t index = 0; index < comparison.lanes.size(); ++index)
        lanes.push_back(laneJson(comparison.lanes[index], index));
    return {{"summary",
             {{"prompt_copies", comparison.prompt_copies},
              {"step_ms", timeOrNull(comparison.step_ms)},
              {"tokens_per_s", timeOrNull(comparison.tokens_per_s)},
              {"lanes", std::move(lanes)}}}};
}

void writeText(const ComparisonSnapshot& comparison, std::ostream& out) {
    for (std::size_t index = 0; index < comparison.lanes.size(); ++index) {
        const ComparedLane& lane = comparison.lanes[index];
        const TurnFacts& turn = lane.free.turns.back();
        out << "--- lane " << index << ": " << lane.free.settings.policy;
        if (lane.first_divergence >= 0) out << ", differs from lane 0 at token " << lane.first_divergence;
        out << '\n';
        if (!turn.thinking_text.empty()) {
            const bool ends = turn.thinking_text.ends_with('\n');
            out << "<think>\n" << turn.thinking_text << (ends ? "</think>\n\n" : "\n</think>\n\n");
        }
        out << turn.answer_text << '\n';
    }
    out << "\nlane  experts  weights MB/token  load CV  floor  dropped  think  answer";
    if (comparison.forced_complete) out << "     NLL    ΔNLL [95 %]               KL   top-1  Jaccard";
    out << '\n' << std::fixed;
    for (std::size_t index = 0; index < comparison.lanes.size(); ++index) {
        const ComparedLane& lane = comparison.lanes[index];
        const TurnFacts& turn = lane.free.turns.back();
        out << std::setw(4) << index << std::setprecision(2) << std::setw(9) << lane.free_generated.ranPerLayer()
            << std::setw(18) << lane.free_generated.bytesPerToken() / 1e6 << std::setw(9) << lane.free_balance.cv
            << std::setw(7) << lane.free_balance.cv_floor << std::setw(9)
            << lane.free_prompt.dropped + lane.free_generated.dropped << std::setw(7) << turn.thinking_tokens
            << std::setw(8) << turn.answer_tokens;
        if (comparison.forced_complete) {
            const MeanWithInterval& change = lane.quality.nll_change;
            std::ostringstream interval;
            interval << std::fixed << std::setprecision(3) << std::showpos;
            if (index > 0) interval << change.mean << " [" << change.low << ", " << change.high << ']';
            out << std::setprecision(3) << std::setw(8) << lane.quality.nll << "  " << std::left << std::setw(24)
                << interval.str() << std::right << std::setw(6) << lane.quality.divergence << std::setprecision(1)
                << std::setw(6) << 100.0 * lane.quality.same_top_share << " %" << std::setprecision(2) << std::setw(9)
                << lane.forced_overlap.jaccard;
        }
        out << '\n';
    }
}

std::string titleFor(const CompareOptions& options, const Prompt& prompt) {
    return titleOf(prompt.messages.empty() ? options.prompt.ids : prompt.messages.back().content);
}

void finish(Comparison& comparison) {
    while (comparison.step()) {
    }
}

void requireLanes(std::size_t count) {
    if (count >= kFewestComparedLanes && count <= kMostComparedLanes) return;
    throw Error({.what = "A comparison needs lanes to compare",
                 .where = "--lane",
                 .expected = "two to eight of them, the first the baseline",
                 .found = count == 0 ? "none" : std::to_string(count),
                 .advice = "For example: --lane policy=model --lane policy=top-k:k=1"});
}

int runCompare(const CompareOptions& options, CommandStreams& streams) {
    requireLanes(options.lanes.size());
    const auto loaded = options.model.load();
    const Model& model = loaded->model;
    std::vector<LaneSettings> lanes;
    Prompt prompt;
    for (std::size_t index = 0; index < options.lanes.size(); ++index) {
        const LaneOptions lane = options.all_lanes.with(options.lanes[index], "--lane " + std::to_string(index));
        Prompt own = options.prompt.make(model, lane.thinkingMode(), lane.budgetTokens());
        lanes.push_back(lane.settings(*loaded, own.thinking));
        if (index == 0) prompt = std::move(own);
    }
    refuseExisting(options.record);
    LanePrinter printer(streams.out, model.tokenizer ? &*model.tokenizer : nullptr);
    Comparison::Options comparison_options;
    comparison_options.record = options.record;
    comparison_options.metadata = {{"title", titleFor(options, prompt)},
                                   {"created_utc", utcTime(std::time(nullptr))},
                                   {"backend", loaded->facts.backend}};
    if (options.json) comparison_options.also = &printer;
    comparison_options.wait_for_readers = true;
    ComparisonPrompt asked{.messages = prompt.messages, .ids = prompt.ids};
    asked.ids_may_think = model.thinking_support != ThinkingSupport::kNever;
    Comparison comparison(loaded, std::move(asked), lanes, std::move(comparison_options));
    printer.setComparison(&comparison);
    comparison.startRun();
    finish(comparison);
    printer.finish();
    if (options.forced) {
        comparison.startForced();
        finish(comparison);
    }
    if (options.alone) {
        comparison.startAlone();
        finish(comparison);
    }
    const auto result = comparison.snapshot();
    if (const auto recorder = comparison.recorder(); recorder && !recorder->flush())
        throw Error(recorder->status().error.value_or(ErrorParts{.what = "The lanes could not be recorded"}));
    if (!options.csv.empty())
        exportComparison(
            *result, [&](TokenId id) { return loaded->tokenBytes(id); }, options.csv);
    if (options.json) {
        streams.out << summaryJson(*result).dump() << '\n';
    } else {
        writeText(*result, streams.out);
    }
    for (const ComparedLane& lane : result->lanes) {
        if (lane.free.turns.back().stop_reason != StopReason::kError) continue;
        streams.err << "mixoscope: the model gave no distribution to choose a token from (its logits hold NaN or "
                       "infinity)\n";
        return kWorkFailed;
    }
    return kDone;
}

}  // namespace

void addCompareCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<CompareOptions>();
    CLI::App* command =
        program.add_subcommand("compare", "Lanes with different settings over one prompt, in one batch");
    options->model.addModel(*command);
    options->model.addBackend(*command);
    options->prompt.add(*command);
    options->all_lanes.add(*command);
    command
        ->add_option(
            "--lane", options->lanes,
            "A lane: policy=...;budget=...;mode=...;seed=...;temperature=...;greedy - two to eight times; the first "
            "is the baseline. What a lane leaves out is as the options say")
        ->allow_extra_args(false);
    command->add_flag("--forced", options->forced,
                      "Then feed the first lane's tokens to all lanes, and measure log-probabilities, KL and overlap");
    command->add_flag("--alone", options->alone, "Then run each lane once more without the others, for its speed");
    command->add_option("--record", options->record, "Write everything into this new session file (.mixo)");
    command->add_option("--csv", options->csv, "Write comparison.csv and forced.csv into this directory");
    command->add_flag("--json", options->json, "One JSON line a token, and a last line with the summary");
    command->callback(
        [options, &action] { action = [options](CommandStreams& streams) { return runCompare(*options, streams); }; });
}

}  // namespace mixoscope
