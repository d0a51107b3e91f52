#include "sessions/comparison_export.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>

#include "probes/aggregates.h"
#include "sessions/comparison_measures.h"
#include "sessions/csv_writer.h"
#include "sessions/prompt_chunks.h"
#include "sessions/record_names.h"

namespace mixoscope {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

constexpr std::string_view kComparisonHeader =
    "lane,policy,budget,mode,greedy,temperature,top_p,top_k,min_p,seed,change,prompt_tokens,shared_prompt_tokens,"
    "prefill_chunk,"
    "thinking_tokens,answer_tokens,injected_tokens,stop_reason,first_divergence,experts_per_layer,expert_bytes_per_"
    "token,"
    "load_cv,load_cv_floor,load_moved,selections,dropped,virtual,ttft_ms,tpot_ms,latency_ms,alone_ttft_ms,alone_tpot_"
    "ms,"
    "forced_tokens,nll,nll_change,nll_change_low,nll_change_high,kl,top1_share,jaccard,overlap,weight_distance,"
    "forced_experts_per_layer,forced_expert_bytes_per_token,forced_load_cv,forced_load_cv_floor,forced_load_moved,"
    "forced_selections,forced_dropped,forced_virtual";

double known(double value) {
    return value < 0.0 ? kNaN : value;
}

void addCounts(CsvWriter& table, const RoutingCounts& prompt, const RoutingCounts& generated) {
    RoutingCounts all = prompt;
    all += generated;
    table.field(all.selections()).field(all.dropped).field(all.virtual_selections);
}

void addSettings(CsvWriter& table, const LaneSettings& settings) {
    table.field(settings.policy);
    table.field(budgetText(settings.budget));
    const SamplingSettings& sampling = settings.sampling;
    table.field(modeName(static_cast<std::int64_t>(settings.mode)))
        .field(sampling.greedy ? 1 : 0)
        .field(sampling.temperature);
    table.field(sampling.top_p).field(sampling.top_k).field(sampling.min_p).field(std::to_string(sampling.seed));
}

void addLane(CsvWriter& table, const ComparedLane& lane, bool is_base) {
    const auto against = [&](double value) { return is_base ? kNaN : value; };
    table.field(lane.origin.tag);
    addSettings(table, lane.origin.lane >= 0 ? lane.free.settings : lane.settings);
    table.field(lane.origin.change);
    const TurnFacts turn = lane.free.turns.empty() ? TurnFacts{} : lane.free.turns.back();
    table.field(turn.prompt_tokens).field(lane.shared_prompt_tokens);
    table.field(lane.prefill_chunk > 0 ? std::to_string(lane.prefill_chunk) : std::string());
    table.field(turn.thinking_tokens);
    table.field(turn.answer_tokens).field(turn.injected_tokens).field(stopReasonName(turn.stop_reason));
    table.field(is_base ? std::string_view() : std::string_view(std::to_string(lane.first_divergence)));
    table.field(lane.free_generated.ranPerLayer()).field(lane.free_generated.bytesPerToken());
    table.field(lane.free_balance.cv).field(lane.free_balance.cv_floor).field(against(lane.free_load_moved));
    addCounts(table, lane.free_prompt, lane.free_generated);
    table.field(known(lane.ttft_ms)).field(known(lane.tpot_ms)).field(known(lane.latency_ms));
    table.field(known(lane.alone_ttft_ms)).field(known(lane.alone_tpot_ms));
    const ForcedMeasures& quality = lane.quality;
    const bool forced = quality.tokens > 0;
    const auto judged = [&](double value) { return forced ? value : kNaN; };
    table.field(quality.tokens).field(judged(quality.nll)).field(judged(against(quality.nll_change.mean)));
    table.field(judged(against(quality.nll_change.low))).field(judged(against(quality.nll_change.high)));
    table.field(judged(quality.divergence)).field(judged(quality.same_top_share));
    table.field(judged(lane.forced_overlap.jaccard)).field(judged(lane.forced_overlap.overlap));
    table.field(judged(lane.forced_overlap.weight_distance));
    table.field(judged(lane.forced_generated.ranPerLayer())).field(judged(lane.forced_generated.bytesPerToken()));
    table.field(judged(lane.forced_balance.cv)).field(judged(lane.forced_balance.cv_floor));
    table.field(judged(against(lane.forced_load_moved)));
    addCounts(table, lane.forced_prompt, lane.forced_generated);
    table.endRow();
}

/// Means over the layers of the row that predicted a token.
RowOverlap overlapOfRow(const History& base, const History& lane, std::int32_t position) {
    RowOverlap mean;
    const std::int32_t layers = base.shape().moe_layers;
    if (position < 0 || position >= std::min(base.rowCount(), lane.rowCount()) || layers == 0)
        return {.jaccard = kNaN, .overlap = kNaN, .weight_distance = kNaN};
    for (std::int32_t layer = 0; layer < layers; ++layer) {
        const RowOverlap overlap = compareRows(base, lane, position, layer);
        mean.jaccard += overlap.jaccard / layers;
        mean.overlap += overlap.overlap / layers;
        mean.weight_distance += overlap.weight_distance / layers;
    }
    return mean;
}

void writeForced(const ComparisonSnapshot& comparison, const std::function<std::string(TokenId)>& token_bytes,
                 const std::filesystem::path& path) {
    CsvWriter table(path, "lane,position,id,text,logprob,kl,same_top1,jaccard,overlap,weight_distance");
    for (const ComparedLane& lane : comparison.lanes) {
        if (!lane.forced_tokens) continue;
        for (const ForcedTokenMeasures& token : *lane.forced_tokens) {
            const RowOverlap overlap =
                overlapOfRow(comparison.lanes.front().forced.history, lane.forced.history, token.position - 1);
            table.field(lane.origin.tag).field(token.position).field(token.token).field(token_bytes(token.token));
            table.field(token.logprob).field(token.divergence).field(token.same_top ? 1 : 0);
            table.field(overlap.jaccard).field(overlap.overlap).field(overlap.weight_distance).endRow();
        }
    }
    table.closeUnlessEmpty();
}

/// What Comparison said of the lanes' chunks.
void addChunks(const SessionReader& session, ComparisonSnapshot& comparison) {
    const std::string recorded = session.metadata("prefill_chunk");
    std::int32_t chunk = 0;
    std::from_chars(recorded.data(), recorded.data() + recorded.size(), chunk);
    if (chunk <= 0) return;  // recorded by a version that did not say
    const ModelConfig config = recordedConfig(session.model());
    for (ComparedLane& lane : comparison.lanes) {
        const auto depends = [&](const LaneOrigin& origin) {
            const bool of_lane = origin.lane == lane.origin.lane || origin.lane == lane.forced_lane;
            return of_lane && dependsOnChunks(origin.settings.policy, config);
        };
        if (!std::ranges::any_of(session.lanes(), depends)) continue;
        lane.prefill_chunk = chunk;
        lane.notes.push_back(chunkNote(chunk));
    }
}

/// The compared lanes with their last forced and alone lanes.
std::vector<ComparedLane> comparedLanes(const std::vector<LaneOrigin>& origins) {
    std::vector<ComparedLane> lanes;
    for (const LaneOrigin& origin : origins) {
        if (origin.tag < 0 || (origin.role != LaneRole::kCompared && origin.role != LaneRole::kFork)) continue;
        ComparedLane lane;
        lane.origin = origin;
        lane.settings = origin.settings;
        lane.started_with_run = origin.role == LaneRole::kCompared;
        lanes.push_back(std::move(lane));
    }
    std::ranges::stable_sort(lanes, {}, [](const ComparedLane& lane) { return lane.origin.tag; });
    for (const LaneOrigin& origin : origins) {
        const auto lane = std::ranges::find_if(
            lanes, [&](const ComparedLane& compared) { return compared.origin.lane == origin.parent; });
        if (lane == lanes.end()) continue;
        if (origin.role == LaneRole::kForced) lane->forced_lane = origin.lane;
        if (origin.role == LaneRole::kAlone) lane->alone_lane = origin.lane;
    }
    return lanes;
}

}  // namespace

std::vector<std::int64_t> expertBytesOf(const SessionReader& session) {
    const auto numbers = nlohmann::json::parse(session.metadata("expert_bytes"), nullptr, false);
    if (!numbers.is_array() ||
        !std::ranges::all_of(numbers, [](const auto& number) { return number.is_number_integer(); }))
        return {};
    return numbers.get<std::vector<std::int64_t>>();
}

void exportComparison(const ComparisonSnapshot& comparison, const std::function<std::string(TokenId)>& token_bytes,
                      const std::filesystem::path& directory) {
    std::error_code failure;
    std::filesystem::create_directories(directory, failure);
    if (failure)
        throw Error(
            {.what = "The directory cannot be created", .where = directory.string(), .found = failure.message()});
    CsvWriter table(directory / "comparison.csv", kComparisonHeader);
    for (std::size_t index = 0; index < comparison.lanes.size(); ++index)
        addLane(table, comparison.lanes[index], index == 0);
    table.close();
    writeForced(comparison, token_bytes, directory / "forced.csv");
}

ComparisonSnapshot recordedComparison(const SessionReader& session) {
    ComparisonSnapshot comparison;
    comparison.lanes = comparedLanes(session.lanes());
    if (comparison.lanes.empty()) return comparison;
    comparison.bootstrap_seed = std::strtoull(session.metadata("bootstrap_seed").c_str(), nullptr, 10);
    for (ComparedLane& lane : comparison.lanes) {
        std::vector<ForcedTokenMeasures> tokens = session.forcedTokens(lane.forced_lane);
        if (!tokens.empty())
            lane.forced_tokens = std::make_shared<const std::vector<ForcedTokenMeasures>>(std::move(tokens));
    }
    comparison.forced_complete = session.metadata("forced_complete") == "1";
    addChunks(session, comparison);
    return comparison;
}

ComparisonSnapshot comparisonOf(const SessionReader& session) {
    ComparisonSnapshot comparison = recordedComparison(session);
    if (comparison.lanes.empty()) return comparison;
    const SessionModel model = session.model();
    Aggregates aggregates(
        model.shape, model.weights_sum_to_one, [&](TokenId id) { return session.tokenBytes(id); },
        model.experts_per_token);
    for (const LaneOrigin& origin : session.lanes()) aggregates.setSettings(origin.lane, origin.settings);
    session.replay([&](const StepTrace& trace) { aggregates.add(trace); },
                   [&](const LaneEvent& event) { aggregates.add(event); });
    ComparisonMeasures(model.shape, expertBytesOf(session)).measure(aggregates.snapshot(), comparison);
    return comparison;
}

void exportLanes(const SessionReader& session, const std::filesystem::path& path) {
    CsvWriter table(path,
                    "lane,role,compared,parent,position,change,policy,budget,mode,greedy,temperature,top_p,top_k,"
                    "min_p,seed");
    const auto orNone = [&](std::int32_t number) { table.field(number < 0 ? std::string() : std::to_string(number)); };
    for (const LaneOrigin& origin : session.lanes()) {
        table.field(origin.lane).field(laneRoleName(origin.role));
        orNone(origin.tag);
        orNone(origin.parent);
        orNone(origin.position);
        table.field(origin.change);
        addSettings(table, origin.settings);
        table.endRow();
    }
    table.closeUnlessEmpty();
}

void exportAttributions(const SessionReader& session, const std::filesystem::path& path) {
    const SessionModel model = session.model();
    CsvWriter table(path, "lane,position,id,text,logprob,layer,slot,expert,logprob_change");
    for (const AttributionSnapshot& attribution : session.attributions()) {
        for (std::size_t cell = 0; cell < attribution.experts.size(); ++cell) {
            if (attribution.experts[cell] < 0) continue;
            const auto layer = cell / static_cast<std::size_t>(attribution.slots);
            table.field(attribution.lane).field(attribution.position).field(attribution.token);
            table.field(session.tokenBytes(attribution.token)).field(attribution.logprob);
            table.field(layer < model.moe_layers.size() ? model.moe_layers[layer] : -1);
            table.field(static_cast<std::int32_t>(cell % static_cast<std::size_t>(attribution.slots)));
            table.field(static_cast<std::int32_t>(attribution.experts[cell])).field(attribution.changes[cell]).endRow();
        }
    }
    table.closeUnlessEmpty();
}

}  // namespace mixoscope
