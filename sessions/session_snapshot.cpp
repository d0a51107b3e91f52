#include "sessions/session_snapshot.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/settings_json.h"
#include "probes/aggregates.h"
#include "sessions/comparison_export.h"
#include "sessions/forked_turns.h"
#include "sessions/loaded_model.h"
#include "sessions/session_file.h"
#include "sessions/session_list.h"
#include "sessions/snapshot_publisher.h"

namespace mixoscope {

namespace {

/// A lane's turns as far as they were recorded: recording may have begun later than the conversation.
struct RecordedTurns {
    int first = 0;
    std::vector<LaneSettings> settings;  // at the start of each
    std::size_t begun = 0;
};

ModelConfig configOf(const SessionModel& model, const std::filesystem::path& path) {
    const std::span text(model.config_json.data(), model.config_json.size());
    try {
        return parseModelConfig(std::as_bytes(text), path.string() + ", table model, config_json");
    } catch (const Error&) {
        return {};  // its figures are then absent
    }
}

std::shared_ptr<const ModelFacts> factsOf(const SessionReader& reader, const std::filesystem::path& path) {
    const SessionModel model = reader.model();
    auto facts = std::make_shared<ModelFacts>();
    facts->name = model.name;
    facts->directory = model.directory;
    facts->config = configOf(model, path);
    facts->moe_layers = model.moe_layers;
    facts->backend = reader.metadata("backend");
    facts->description = reader.metadata("model_description");
    if (facts->description.empty() && facts->config.num_hidden_layers > 0)
        facts->description = modelDescription(facts->config, {});
    const std::string context = reader.metadata("context_tokens");
    std::from_chars(context.data(), context.data() + context.size(), facts->context_tokens);
    return facts;
}

std::map<LaneId, RecordedTurns> recordedTurns(const SessionReader& reader, const std::filesystem::path& path) {
    std::map<LaneId, RecordedTurns> lanes;
    reader.turnSettings([&](int turn, LaneId lane, const std::string& json) {
        RecordedTurns& turns = lanes[lane];
        if (turns.settings.empty()) turns.first = turn;
        turns.settings.push_back(settingsFromJson(json, path.string()));
    });
    return lanes;
}

std::vector<LaneSnapshot> lanesOf(const SessionReader& reader, std::map<LaneId, RecordedTurns>& turns) {
    const SessionModel model = reader.model();
    Aggregates aggregates(
        model.shape, model.weights_sum_to_one, [&reader](TokenId id) { return reader.tokenBytes(id); },
        model.experts_per_token);
    const auto begin = [&](LaneId lane) {
        RecordedTurns& recorded = turns[lane];
        if (recorded.begun < recorded.settings.size()) aggregates.setSettings(lane, recorded.settings[recorded.begun]);
        ++recorded.begun;
    };
    reader.replay([&](const StepTrace& trace) { aggregates.add(trace); },
                  [&](const LaneEvent& event) {
                      if (event.kind == LaneEventKind::kTurnStarted) begin(event.lane);
                      aggregates.add(event);
                  });
    return aggregates.snapshot();
}

/// How the lanes came to be, and the forks of the conversation beside their turns.
void putForks(WorkbenchSnapshot& snapshot, const SessionReader& reader) {
    snapshot.origins = reader.lanes();
    ForkedTurns forked(reader.model().shape, expertBytesOf(reader));
    for (const ConversationEntry& entry : snapshot.conversation) {
        if (entry.role == Role::kUser) forked.setPrompt(entry.turn, entry.text);
    }
    for (const LaneOrigin& origin : snapshot.origins) {
        if (origin.role == LaneRole::kFork && origin.tag < 0) forked.add(origin);
    }
    snapshot.forks = forked.measure(snapshot.lanes);
    for (ForkedTurn& turn : snapshot.forks) {
        if (turn.lanes->state == ComparisonState::kReady) continue;
        // The recording ended before the fork did: nothing of it is under way.
        auto ended = std::make_shared<ComparisonSnapshot>(*turn.lanes);
        ended->state = ComparisonState::kReady;
        turn.lanes = std::move(ended);
    }
}

}  // namespace

std::shared_ptr<WorkbenchSnapshot> snapshotOfSession(const std::filesystem::path& path) {
    const SessionReader reader(path);
    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    snapshot->serial = 1;
    snapshot->state = WorkbenchState::kReady;
    snapshot->recorded = true;
    snapshot->model = factsOf(reader, path);
    std::map<LaneId, RecordedTurns> turns = recordedTurns(reader, path);
    const int first_turn = turns.empty() ? 0 : turns.begin()->second.first;
    reader.messages([&](int turn, int role, const std::string& text, int mode) {
        const auto who = static_cast<Role>(role);
        // Nothing was recorded of turns before the first but their text.
        if (turn < first_turn && who != Role::kSystem) return;
        snapshot->conversation.push_back({.role = who,
                                          .text = text,
                                          .thinking = {},
                                          .turn = std::max(turn - first_turn, 0),
                                          .mode = static_cast<ThinkingMode>(mode)});
    });
    auto comparison = std::make_shared<ComparisonSnapshot>(comparisonOf(reader));
    reader.messages([&](int, int role, const std::string& text, int) {
        comparison->messages.push_back({.role = static_cast<Role>(role), .content = text});
    });
    if (!comparison->lanes.empty()) snapshot->comparison = std::move(comparison);
    putLanes(*snapshot, lanesOf(reader, turns));
    putForks(*snapshot, reader);
    if (auto measured = reader.attributions(); !measured.empty())
        snapshot->attribution = std::make_shared<const AttributionSnapshot>(std::move(measured.back()));
    if (!snapshot->lanes.empty()) snapshot->settings = snapshot->lanes.front().settings;
    snapshot->recorder.file = path;
    snapshot->recorder.bytes = sessionBytes(path);
    snapshot->recorder.committed_rows = reader.rowCount();
    snapshot->recorder.lost = reader.lostCount();
    return snapshot;
}

}  // namespace mixoscope
