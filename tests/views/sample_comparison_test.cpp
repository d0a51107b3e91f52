#include "sample_comparison_test.h"

#include <map>
#include <numeric>

namespace mixoscope::test {
namespace {

TokenId idOf(const std::string& text) {
    static std::map<std::string, TokenId> ids;
    return ids.try_emplace(text, static_cast<TokenId>(ids.size())).first->second;
}

}  // namespace

ComparedLane sampleLane(std::int32_t tag, const std::string& policy, const SampleText& text) {
    ComparedLane lane;
    lane.origin = {.lane = tag + 10, .role = LaneRole::kCompared, .tag = tag};
    lane.settings.policy = policy;
    lane.settings.sampling.greedy = true;
    lane.started_with_run = true;
    HistoryWriter writer(kComparedShape);
    auto load = std::make_shared<LoadCounter>(kComparedShape);
    const auto count = text.prompt + static_cast<std::int32_t>(text.tokens.size());
    std::vector<std::int16_t> experts = text.experts;
    experts.insert(experts.end(), text.experts.begin(), text.experts.end());
    const std::vector<float> weights(experts.size(), 0.5F);
    const std::vector<RouterFacts> router(static_cast<std::size_t>(kComparedShape.moe_layers),
                                          {.active = static_cast<std::uint16_t>(kComparedShape.slots)});
    for (std::int32_t position = 0; position < count; ++position) {
        const bool generated = position >= text.prompt;
        const std::string bytes = generated ? text.tokens[static_cast<std::size_t>(position - text.prompt)]
                                            : "prompt" + std::to_string(position);
        StepTrace trace;
        trace.lane = lane.origin.lane;
        trace.step = position;
        trace.token = {.position = position,
                       .id = idOf(bytes),
                       .phase = generated ? Phase::kThinking : Phase::kPrompt,
                       .flags = generated ? token_flag::kSampled : token_flag::kTemplate,
                       .logprob = -0.5F};
        trace.expert_ids = experts;
        trace.expert_weights = weights;
        trace.router = router;
        writer.addRow(trace, bytes);
        load->add(trace);
    }
    lane.free.lane = lane.origin.lane;
    lane.free.settings = lane.settings;
    lane.free.history = writer.publish();
    lane.free.load = load;
    TurnFacts turn;
    turn.prompt_tokens = text.prompt;
    turn.first_generated_position = text.tokens.empty() ? -1 : text.prompt;
    turn.thinking_tokens = static_cast<std::int32_t>(text.tokens.size());
    turn.stop_reason = text.ended ? StopReason::kEndOfTurn : StopReason::kNone;
    lane.free.turns.push_back(turn);
    return lane;
}

std::shared_ptr<ComparisonSnapshot> sampleComparison(std::vector<ComparedLane> lanes) {
    auto comparison = std::make_shared<ComparisonSnapshot>();
    comparison->lanes = std::move(lanes);
    comparison->messages = {{.role = Role::kUser, .content = "What is 2 + 3?"}};
    comparison->prompt_tokens = 3;
    const ComparedLane& base = comparison->lanes.front();
    const auto first = [](const ComparedLane& lane) { return lane.free.turns.back().first_generated_position; };
    const auto ended = [](const ComparedLane& lane) { return lane.free.turns.back().stop_reason != StopReason::kNone; };
    for (ComparedLane& lane : comparison->lanes) {
        lane.first_divergence =
            firstDivergence(base.free.history, first(base), ended(base), lane.free.history, first(lane), ended(lane));
        lane.free_load_moved = loadMoved(*base.free.load, *lane.free.load);
    }
    return comparison;
}

SnapshotPointer snapshotOf(std::shared_ptr<const ComparisonSnapshot> comparison) {
    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    snapshot->state = WorkbenchState::kReady;
    auto model = std::make_shared<ModelFacts>();
    model->name = "synthetic";
    model->moe_layers = {1, 3};  // the model's numbers: every second layer is dense
    snapshot->model = model;
    snapshot->comparison = std::move(comparison);
    return snapshot;
}

void judge(ComparedLane& lane, const ComparedLane& base, const std::vector<double>& divergences, double nll) {
    lane.forced_lane = lane.origin.lane + 100;
    lane.forced = lane.free;
    lane.forced.lane = lane.forced_lane;
    auto tokens = std::make_shared<std::vector<ForcedTokenMeasures>>();
    const std::int32_t first = base.free.turns.back().first_generated_position;
    for (std::size_t i = 0; i < divergences.size(); ++i) {
        const auto position = first + static_cast<std::int32_t>(i);
        tokens->push_back({.position = position,
                           .token = base.free.history.token(position).trace.id,
                           .logprob = -nll,
                           .divergence = divergences[i],
                           .same_top = divergences[i] < 0.5});
    }
    lane.quality.tokens = static_cast<std::int64_t>(divergences.size());
    lane.quality.nll = nll;
    lane.quality.divergence =
        std::accumulate(divergences.begin(), divergences.end(), 0.0) / static_cast<double>(divergences.size());
    lane.forced_tokens = std::move(tokens);
    lane.forced_load_moved = lane.free_load_moved;
}

}  // namespace mixoscope::test
