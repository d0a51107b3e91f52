#include "sessions/session_replay.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/model.h"
#include "engine/settings_json.h"
#include "probes/aggregates.h"
#include "sessions/comparison_export.h"
#include "sessions/comparison_measures.h"
#include "sessions/forked_turns.h"
#include "sessions/loaded_model.h"
#include "sessions/recorded_model_files.h"
#include "sessions/session_file.h"
#include "sessions/session_list.h"
#include "sessions/snapshot_publisher.h"

namespace mixoscope {

namespace {

constexpr std::int64_t kFirstSpacing = 1024;   // rows between two states kept
constexpr std::size_t kMostStates = 128;       // then every second one goes
constexpr std::int64_t kSerialsAtOnce = 1024;  // read in one statement

std::shared_ptr<const ModelFacts> factsOf(const SessionReader& reader, const SessionModel& model) {
    auto facts = std::make_shared<ModelFacts>();
    facts->name = model.name;
    facts->directory = model.directory;
    facts->config = recordedConfig(model);
    facts->moe_layers = model.moe_layers;
    facts->backend = reader.metadata("backend");
    facts->imported_from = reader.metadata("imported_from");
    facts->description = reader.metadata("model_description");
    if (facts->description.empty() && facts->config.num_hidden_layers > 0)
        facts->description = modelDescription(facts->config, {});
    const std::string context = reader.metadata("context_tokens");
    std::from_chars(context.data(), context.data() + context.size(), facts->context_tokens);
    return facts;
}

/// A lane's turns as far as they were recorded: recording may have begun later than the conversation.
struct RecordedTurns {
    int first = 0;
    std::vector<LaneSettings> settings;  // at the start of each
};

std::map<LaneId, RecordedTurns> recordedTurns(const SessionReader& reader, const std::filesystem::path& path) {
    std::map<LaneId, RecordedTurns> lanes;
    reader.turnSettings([&](int turn, LaneId lane, const std::string& json) {
        RecordedTurns& turns = lanes[lane];
        if (turns.settings.empty()) turns.first = turn;
        turns.settings.push_back(settingsFromJson(json, path.string()));
    });
    return lanes;
}

bool isOfComparison(const LaneOrigin& origin) {
    return origin.role != LaneRole::kChat && (origin.role != LaneRole::kFork || origin.tag >= 0);
}

bool isForkOfChat(const LaneOrigin& origin) {
    return origin.role == LaneRole::kFork && origin.tag < 0;
}

}  // namespace

struct SessionReplay::Impl {
    std::filesystem::path path;
    SessionReader reader;
    SessionModel model = reader.model();
    std::map<TokenId, std::string> vocabulary = reader.vocabulary();
    std::map<LaneId, RecordedTurns> turns = recordedTurns(reader, path);
    std::vector<LaneOrigin> origins = reader.lanes();
    std::vector<AttributionSnapshot> attributions = reader.attributions();
    std::int64_t rows_total = reader.rowCount();
    std::int64_t lost = reader.lostCount();
    std::int64_t end_serial = reader.endSerial();

    WorkbenchSnapshot whole;        // what does not depend on the cursor, and the whole conversation
    ComparisonSnapshot comparison;  // likewise; no lanes: there is none
    std::vector<std::int64_t> expert_bytes;
    std::optional<ComparisonMeasures> measures;

    Aggregates aggregates{model.shape, model.weights_sum_to_one, [this](TokenId id) { return bytesOf(id); },
                          model.experts_per_token};
    std::map<LaneId, std::size_t> begun;  // turns of each lane up to the cursor
    std::int64_t cursor = 0;              // steps
    std::int64_t next_serial = 0;         // of the record that comes next

    // While reading:
    std::vector<PlaybackStep> steps;
    PlaybackStep open;  // the step under way
    Step open_step = -1;
    bool has_open = false;      // it has rows
    std::set<LaneId> finished;  // lanes whose turn ended and of which nothing was told since
    bool complete = false;
    std::shared_ptr<const PlaybackIndex> index = std::make_shared<PlaybackIndex>();

    struct Kept {
        std::int64_t step = 0;  // how many lie before
        std::int64_t rows = 0;
        std::map<LaneId, std::size_t> begun;
        std::shared_ptr<const Aggregates::State> state;
    };
    std::vector<Kept> kept;
    std::int64_t spacing = kFirstSpacing;

    Impl(const std::filesystem::path& file, std::function<bool()> cancelled)
        : path(file), reader(file, std::move(cancelled)) {
        aggregates.setRing(lost, 0, 0);
        whole.state = WorkbenchState::kReady;
        whole.recorded = true;
        whole.model = factsOf(reader, model);
        whole.recorder.file = path;
        whole.recorder.bytes = sessionBytes(path);
        whole.recorder.committed_rows = rows_total;
        whole.recorder.lost = lost;
        readConversation();
        comparison = recordedComparison(reader);
        expert_bytes = expertBytesOf(reader);
        reader.messages([&](int, int role, const std::string& text, int) {
            comparison.messages.push_back({.role = static_cast<Role>(role), .content = text});
        });
        keep();
    }

    void readConversation() {
        const int first_turn = turns.empty() ? 0 : turns.begin()->second.first;
        reader.messages([&](int turn, int role, const std::string& text, int mode) {
            const auto who = static_cast<Role>(role);
            // Nothing was recorded of turns before the first but their text.
            if (turn < first_turn && who != Role::kSystem) return;
            whole.conversation.push_back({.role = who,
                                          .text = text,
                                          .thinking = {},
                                          .turn = std::max(turn - first_turn, 0),
                                          .mode = static_cast<ThinkingMode>(mode)});
        });
    }

    std::string bytesOf(TokenId id) const {
        const auto found = vocabulary.find(id);
        return found == vocabulary.end() ? std::string() : found->second;
    }

    // --- records -----------------------------------------------------------------------------------------------------
    void add(const StepTrace& trace) { aggregates.add(trace); }

    void add(const LaneEvent& event) {
        const bool starts = event.kind == LaneEventKind::kTurnStarted;
        if (starts || event.kind == LaneEventKind::kForked) beginLane(event.lane, starts);
        aggregates.add(event);
    }

    /// Gives a lane the settings that it begins with: a turn's own, or those of a lane of a comparison.
    void beginLane(LaneId lane, bool turn_starts) {
        const auto recorded = turns.find(lane);
        if (recorded != turns.end() && turn_starts) {
            const std::size_t turn = begun[lane]++;
            if (turn < recorded->second.settings.size()) aggregates.setSettings(lane, recorded->second.settings[turn]);
        } else if (recorded == turns.end() && begun[lane] == 0) {
            const auto origin = std::ranges::find(origins, lane, &LaneOrigin::lane);
            if (origin == origins.end() || !isOfComparison(*origin)) return;
            ++begun[lane];
            aggregates.setSettings(lane, origin->settings);
        }
    }

    // --- reading -----------------------------------------------------------------------------------------------------
    bool readMore(std::int64_t records) {
        for (std::int64_t read = 0; read < records && next_serial < end_serial; read += kSerialsAtOnce) {
            const std::int64_t end = std::min(next_serial + kSerialsAtOnce, end_serial);
            bool any = false;
            const auto reads = [&](const auto& record) {
                any = true;
                readRecord(record);
            };
            reader.replay(next_serial, end, reads, reads);
            // A gap is passed over at once, however long a damaged file says that it is.
            next_serial = any ? end : std::min(reader.firstSerialFrom(end), end_serial);
        }
        cursor = static_cast<std::int64_t>(steps.size()) + (has_open ? 1 : 0);
        if (next_serial < end_serial) return true;
        if (!complete) finishReading();
        return false;
    }

    void readRecord(const StepTrace& trace) {
        if (has_open && trace.step != open_step) close(trace.serial);
        add(trace);
        has_open = true;
        open_step = trace.step;
        ++open.rows;
        open.time_us = trace.step_end_us;
        open.phase = trace.token.phase;
    }

    void readRecord(const LaneEvent& event) {
        const bool ends = event.kind == LaneEventKind::kFinished;
        // What is told after a turn's end is the next one's: it follows in a step that has not shown anything yet.
        const bool begins = event.kind == LaneEventKind::kTurnStarted || event.kind == LaneEventKind::kForked ||
                            (!ends && finished.contains(event.lane));
        if (begins && has_open) close(event.serial);
        add(event);
        if (event.kind == LaneEventKind::kTurnStarted) open.begins_turn = true;
        if (ends) {
            finished.insert(event.lane);
        } else {
            finished.erase(event.lane);
        }
    }

    /// The step under way is complete; the record with this number is the first that does not belong to it.
    void close(std::int64_t serial) {
        open.end_serial = serial;
        steps.push_back(open);
        open.begins_turn = false;
        has_open = false;
        if (open.rows - kept.back().rows >= spacing) keep();
    }

    void keep() {
        kept.push_back({.step = static_cast<std::int64_t>(steps.size()),
                        .rows = open.rows,
                        .begun = begun,
                        .state = aggregates.state()});
        if (kept.size() <= kMostStates) return;
        for (std::size_t i = 1; 2 * i < kept.size(); ++i) kept[i] = std::move(kept[2 * i]);
        kept.resize((kept.size() + 1) / 2);
        spacing *= 2;
    }

    void finishReading() {
        complete = true;
        if (has_open) {
            open.end_serial = end_serial;
            steps.push_back(open);
            has_open = false;
        } else if (!steps.empty()) {
            steps.back().end_serial = end_serial;  // events after the last row
        }
        keep();
        auto made = std::make_shared<PlaybackIndex>();
        made->steps = std::move(steps);
        index = std::move(made);
        cursor = index->count();
    }

    // --- the cursor --------------------------------------------------------------------------------------------------
    void seek(std::int64_t wanted) {
        wanted = std::clamp<std::int64_t>(wanted, std::min<std::int64_t>(1, index->count()), index->count());
        const auto after = std::ranges::upper_bound(kept, wanted, {}, [](const Kept& state) { return state.step; });
        const Kept& nearest = *std::prev(after);
        if (wanted < cursor || nearest.step > cursor) {
            aggregates.restore(*nearest.state);
            begun = nearest.begun;
            cursor = nearest.step;
        }
        if (cursor == wanted) return;
        const std::int64_t from = cursor == 0 ? 0 : index->step(cursor).end_serial;
        reader.replay(
            from, index->step(wanted).end_serial, [&](const StepTrace& trace) { add(trace); },
            [&](const LaneEvent& event) { add(event); });
        cursor = wanted;
    }

    bool atEnd() const { return complete && cursor == index->count(); }

    // --- what is shown -----------------------------------------------------------------------------------------------
    WorkbenchSnapshot snapshot() {
        WorkbenchSnapshot shown = whole;
        std::vector<LaneSnapshot> lanes = aggregates.snapshot();
        const auto turns_begun = lanes.empty() ? 0 : static_cast<std::int32_t>(lanes.front().turns.size());
        if (!atEnd())
            std::erase_if(shown.conversation, [&](const ConversationEntry& entry) {
                return entry.turn >= turns_begun && entry.role != Role::kSystem;
            });
        for (const LaneOrigin& origin : origins) {
            if (atEnd() || findLane(lanes, origin.lane) != nullptr) shown.origins.push_back(origin);
        }
        showForks(lanes, shown);
        if (!comparison.lanes.empty()) shown.comparison = comparisonAt(lanes);
        showAttribution(lanes, shown);
        putLanes(shown, std::move(lanes));
        if (!shown.lanes.empty()) shown.settings = shown.lanes.front().settings;
        return shown;
    }

    std::shared_ptr<const ComparisonSnapshot> comparisonAt(const std::vector<LaneSnapshot>& lanes) {
        auto shown = std::make_shared<ComparisonSnapshot>(comparison);
        std::erase_if(shown->lanes, [&](const ComparedLane& lane) {
            return lane.origin.role == LaneRole::kFork && findLane(lanes, lane.origin.lane) == nullptr;
        });
        if (shown->lanes.empty()) return nullptr;
        bool forced_ended = true;
        for (ComparedLane& lane : shown->lanes) {
            const LaneSnapshot* forced = findLane(lanes, lane.forced_lane);
            if (forced != nullptr && forced->state == LaneState::kFinished) continue;
            forced_ended = false;
            lane.forced_tokens.reset();
        }
        shown->forced_complete = comparison.forced_complete && forced_ended;
        // What was counted of rows that the cursor went back over is counted anew.
        if (!measures || cursor < measured) {
            measures.emplace(model.shape, expert_bytes);
            for (const auto& [forced, quality] : qualities) measures->keepQuality(forced, base_forced, quality);
        }
        measured = cursor;
        measures->measure(lanes, *shown);
        if (atEnd() && shown->forced_complete) {
            base_forced = shown->lanes.front().forced_lane;
            for (const ComparedLane& lane : shown->lanes) qualities[lane.forced_lane] = lane.quality;
        }
        return shown;
    }

    /// The forks of the conversation beside their turns; what was counted beyond the cursor is counted anew.
    void showForks(const std::vector<LaneSnapshot>& lanes, WorkbenchSnapshot& shown) {
        if (!std::ranges::any_of(origins, isForkOfChat)) return;
        if (!forked || cursor < forks_measured) {
            forked = std::make_unique<ForkedTurns>(model.shape, expert_bytes);
            for (const ConversationEntry& entry : whole.conversation) {
                if (entry.role == Role::kUser) forked->setPrompt(entry.turn, entry.text);
            }
            for (const LaneOrigin& origin : origins) {
                if (isForkOfChat(origin)) forked->add(origin);
            }
        }
        forks_measured = cursor;
        shown.forks = forked->measure(lanes);
        for (ForkedTurn& turn : shown.forks) {
            if (turn.lanes->state == ComparisonState::kReady) continue;
            // The recording goes no further: nothing of it is under way.
            auto ended = std::make_shared<ComparisonSnapshot>(*turn.lanes);
            ended->state = ComparisonState::kReady;
            turn.lanes = std::move(ended);
        }
    }

    /// The last one that the session holds, once its token is there.
    void showAttribution(const std::vector<LaneSnapshot>& lanes, WorkbenchSnapshot& shown) const {
        if (attributions.empty()) return;
        const AttributionSnapshot& last = attributions.back();
        const LaneSnapshot* lane = findLane(lanes, last.lane);
        if (lane != nullptr && last.position < lane->history.tokenCount() && atEnd())
            shown.attribution = std::make_shared<const AttributionSnapshot>(last);
    }

    std::unique_ptr<ForkedTurns> forked;
    std::int64_t forks_measured = 0;  // cursor that `forked` last saw
    std::int64_t measured = 0;        // cursor that `measures` last saw
    LaneId base_forced = -1;
    std::map<LaneId, ForcedMeasures> qualities;  // by forced lane, at the end of a complete pass
};

SessionReplay::SessionReplay(const std::filesystem::path& path, std::function<bool()> cancelled)
    : m_impl(std::make_unique<Impl>(path, std::move(cancelled))) {}
SessionReplay::~SessionReplay() = default;

bool SessionReplay::readMore(std::int64_t records) {
    return m_impl->readMore(records);
}
void SessionReplay::seek(std::int64_t step) {
    m_impl->seek(step);
}
std::int64_t SessionReplay::step() const {
    return m_impl->cursor;
}
const std::shared_ptr<const PlaybackIndex>& SessionReplay::index() const {
    return m_impl->index;
}
std::int64_t SessionReplay::rowsRead() const {
    return m_impl->open.rows;
}
std::int64_t SessionReplay::rowsTotal() const {
    return m_impl->rows_total;
}
WorkbenchSnapshot SessionReplay::snapshot() {
    return m_impl->snapshot();
}
ModelAtHand SessionReplay::modelAtHand() const {
    ModelAtHand found = lookForModelFiles(m_impl->model.files_json, m_impl->model.directory);
    found.by_name = isEmbeddedModel(m_impl->model.name);
    return found;
}

}  // namespace mixoscope
