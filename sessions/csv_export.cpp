#include "sessions/csv_export.h"

#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

#include "engine/chat_template.h"
#include "engine/error.h"
#include "engine/lane_settings.h"
#include "engine/settings_json.h"
#include "engine/unrecorded.h"
#include "probes/load.h"
#include "sessions/comparison_export.h"
#include "sessions/csv_writer.h"
#include "sessions/record_names.h"
#include "sessions/session_bookmarks.h"
#include "sessions/session_file.h"

namespace mixoscope {

namespace {

std::string settingText(const std::string& key, const nlohmann::json& value) {
    if (key == "budget" && value.is_number_integer()) return budgetText(value.get<std::int64_t>());
    if (key == "mode" && value.is_number_integer()) return modeName(value.get<std::int64_t>());
    return value.is_string() ? value.get<std::string>() : value.dump();
}

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Nothing for a time that was not recorded.
CsvWriter& addTime(CsvWriter& table, std::int64_t time_us) {
    return time_us == kNotTimed ? table.field(std::string_view()) : table.field(time_us);
}

/// Writes the tables that follow from records, in one pass over them.
class RecordTables {
public:
    RecordTables(const SessionReader& reader, const std::filesystem::path& directory)
        : m_reader(reader),
          m_model(reader.model()),
          m_tokens(directory / "tokens.csv", "lane,step,position,id,text,phase,injected,logprob,time_us"),
          m_routing(directory / "routing.csv", "lane,step,position,phase,layer,slot,expert,weight,dropped"),
          m_router(directory / "router.csv", "lane,step,position,phase,layer,entropy,top1,margin"),
          m_settings(directory / "settings.csv", "lane,step,position,time_us,setting,old,new") {}

    void add(const StepTrace& trace) {
        Lane& lane = laneOf(trace.lane);
        lane.load.add(trace);
        // A token that a row chose was written with that row.
        if (trace.token.position != lane.chosen_position || trace.token.id != lane.chosen_id)
            addToken(trace.lane, trace, trace.token);
        addRouting(trace);
        if (trace.next.id < 0) return;
        addToken(trace.lane, trace, trace.next);
        lane.chosen_position = trace.next.position;
        lane.chosen_id = trace.next.id;
    }

    void add(const LaneEvent& event) {
        switch (event.kind) {
            case LaneEventKind::kTurnStarted:
                addTurnSettings(event);
                break;
            case LaneEventKind::kBudgetChanged:
                changeSetting(event, "budget", settingText("budget", event.value));
                break;
            case LaneEventKind::kModeChanged:
                changeSetting(event, "mode", settingText("mode", event.value));
                break;
            case LaneEventKind::kPolicyChanged:
                changeSetting(event, "policy", event.text);
                break;
            case LaneEventKind::kSamplingChanged:
            case LaneEventKind::kEarlyStopChanged:
                changeSettings(event, event.text);
                break;
            case LaneEventKind::kMaxTokensChanged:
                changeSetting(event, "max_tokens", std::to_string(event.value));
                break;
            case LaneEventKind::kIgnoreEosChanged:
                changeSetting(event, "ignore_eos", event.value != 0 ? "true" : "false");
                break;
            case LaneEventKind::kAnswerNow:
                addSetting(event, "answer_now", {}, std::to_string(event.value));
                break;
            case LaneEventKind::kBudgetReached:
                addSetting(event, "budget_reached", {}, std::to_string(event.value));
                break;
            case LaneEventKind::kStopped:
                addSetting(event, "stopped", {}, {});
                break;
            case LaneEventKind::kFinished:
            case LaneEventKind::kForked:
                break;
        }
    }

    void keepTurnSettings(LaneId lane, const std::string& json) { m_turn_settings[lane].push_back(json); }
    /// With what a lane began, of which no settings of its turns are kept: one of a comparison, a fork.
    void keepOrigin(const LaneOrigin& origin) {
        std::vector<std::string>& kept = m_turn_settings[origin.lane];
        if (kept.empty()) kept.push_back(settingsToJson(origin.settings));
    }

    void close() {
        m_tokens.close();
        m_routing.close();
        m_router.close();
        m_settings.close();
    }

    void writeBalance(const std::filesystem::path& path) const {
        CsvWriter table(path,
                        "lane,phase,layer,rows,cv,cv_floor,excess_cv,max_violation,gini,normalised_entropy,unseen");
        for (const auto& [id, lane] : m_lanes) {
            for (int phase = 0; phase < kPhaseCount; ++phase)
                for (std::int32_t layer = 0; layer < m_model.shape.moe_layers; ++layer)
                    writeBalanceRow(table, id, static_cast<Phase>(phase), layer, lane.load);
        }
        table.close();
    }

    std::int64_t tokens() const { return m_token_count; }

private:
    struct Lane {
        explicit Lane(const TraceShape& shape) : load(shape) {}
        LoadCounter load;
        std::int32_t chosen_position = -1;
        TokenId chosen_id = -1;
        std::size_t turns = 0;
        std::map<std::string, std::string> settings;  // as the last row of each says
    };

    Lane& laneOf(LaneId id) { return m_lanes.try_emplace(id, m_model.shape).first->second; }

    const std::string& bytesOf(TokenId id) {
        const auto known = m_bytes.find(id);
        if (known != m_bytes.end()) return known->second;
        return m_bytes.emplace(id, m_reader.tokenBytes(id)).first->second;
    }

    void addToken(LaneId lane, const StepTrace& trace, const TokenTrace& token) {
        m_tokens.field(lane).field(trace.step).field(token.position).field(token.id).field(bytesOf(token.id));
        m_tokens.field(phaseKey(token.phase)).field((token.flags & token_flag::kInjected) != 0 ? 1 : 0);
        m_tokens.field(token.logprob);
        addTime(m_tokens, trace.step_end_us).endRow();
        ++m_token_count;
    }

    void addRouting(const StepTrace& trace) {
        const auto slots = static_cast<std::size_t>(m_model.shape.slots);
        const auto place = [&](CsvWriter& table, std::size_t layer) -> CsvWriter& {
            return table.field(trace.lane)
                .field(trace.step)
                .field(trace.token.position)
                .field(phaseKey(trace.token.phase))
                .field(m_model.moe_layers[layer]);
        };
        for (std::size_t layer = 0; layer < trace.router.size() && layer < m_model.moe_layers.size(); ++layer) {
            const RouterFacts& facts = trace.router[layer];
            place(m_router, layer).field(facts.entropy).field(facts.top_probability).field(facts.margin()).endRow();
            for (std::size_t slot = 0; slot < slots; ++slot) {
                const std::size_t at = layer * slots + slot;
                const bool weighed = !trace.expert_weights.empty();
                if (at >= trace.expert_ids.size() || (weighed && at >= trace.expert_weights.size()) ||
                    trace.expert_ids[at] == -1)
                    continue;
                const std::int16_t id = trace.expert_ids[at];
                place(m_routing, layer).field(static_cast<std::int64_t>(slot));
                m_routing.field(static_cast<std::int32_t>(isNotRun(id) ? notRunId(id) : id));
                m_routing.field(weighed ? trace.expert_weights[at] : kNaN).field(isNotRun(id) ? 1 : 0).endRow();
            }
        }
    }

    void addSetting(const LaneEvent& event, std::string_view setting, std::string_view old, std::string_view now) {
        m_settings.field(event.lane).field(event.step).field(event.position);
        addTime(m_settings, event.time_us);
        m_settings.field(setting).field(old).field(now).endRow();
    }

    /// A row if the setting has another value than the last row of it says.
    void changeSetting(const LaneEvent& event, const std::string& setting, const std::string& now) {
        std::map<std::string, std::string>& known = laneOf(event.lane).settings;
        const auto [place, is_new] = known.try_emplace(setting, now);
        if (is_new) {
            addSetting(event, setting, {}, now);
        } else if (place->second != now) {
            addSetting(event, setting, place->second, now);
            place->second = now;
        }
    }

    void changeSettings(const LaneEvent& event, std::string_view json) {
        const auto object = nlohmann::json::parse(json, nullptr, false);
        if (!object.is_object()) return;
        for (const auto& [key, value] : object.items()) changeSetting(event, key, settingText(key, value));
    }

    void addTurnSettings(const LaneEvent& event) {
        Lane& lane = laneOf(event.lane);
        const std::vector<std::string>& kept = m_turn_settings[event.lane];
        if (lane.turns < kept.size()) changeSettings(event, kept[lane.turns]);
        ++lane.turns;
    }

    void writeBalanceRow(CsvWriter& table, LaneId lane, Phase phase, std::int32_t layer,
                         const LoadCounter& loads) const {
        const LayerLoad& load = loads.layer(phase, layer);
        const BalanceMeasures measures = measureBalance(load);
        table.field(lane).field(phaseKey(phase)).field(m_model.moe_layers[static_cast<std::size_t>(layer)]);
        table.field(load.rows).field(measures.cv).field(measures.cv_floor).field(measures.excess_cv);
        table.field(measures.max_violation).field(measures.gini).field(measures.normalised_entropy);
        table.field(measures.unseen).endRow();
    }

    const SessionReader& m_reader;
    const SessionModel m_model;
    CsvWriter m_tokens;
    CsvWriter m_routing;
    CsvWriter m_router;
    CsvWriter m_settings;
    std::map<LaneId, Lane> m_lanes;
    std::map<LaneId, std::vector<std::string>> m_turn_settings;
    std::unordered_map<TokenId, std::string> m_bytes;
    std::int64_t m_token_count = 0;
};

void writeMessages(const SessionReader& reader, const std::filesystem::path& path) {
    CsvWriter table(path, "turn,role,mode,text");
    reader.messages([&](int turn, int role, const std::string& text, int mode) {
        table.field(turn).field(roleName(role)).field(modeName(mode)).field(text).endRow();
    });
    table.close();
}

void writeBookmarks(const SessionReader& reader, const std::filesystem::path& path) {
    CsvWriter table(path, "row,note");
    for (const SessionBookmark& bookmark : sessionBookmarks(reader))
        table.field(bookmark.row).field(bookmark.note).endRow();
    table.closeUnlessEmpty();
}

nlohmann::json numberOrNull(const std::string& text) {
    const auto number = nlohmann::json::parse(text, nullptr, false);
    return number.is_number() ? number : nlohmann::json();
}

void writeRun(const SessionReader& reader, const std::filesystem::path& session, std::int64_t tokens,
              const std::filesystem::path& path) {
    const SessionModel model = reader.model();
    nlohmann::json run = {{"session", session.filename().string()},
                          {"title", reader.metadata("title")},
                          {"created_utc", reader.metadata("created_utc")},
                          {"backend", reader.metadata("backend")},
                          {"imported_from", reader.metadata("imported_from")},
                          {"rows", reader.rowCount()},
                          {"events", reader.eventCount()},
                          {"lost", reader.lostCount()},
                          {"prefill_chunk", numberOrNull(reader.metadata("prefill_chunk"))},
                          {"tokens", tokens},
                          {"model",
                           {{"name", model.name},
                            {"description", reader.metadata("model_description")},
                            {"directory", model.directory},
                            {"moe_layers", model.moe_layers},
                            {"experts", model.shape.experts},
                            {"slots", model.shape.slots},
                            {"experts_per_token", model.experts_per_token},
                            {"weights_sum_to_one", model.weights_sum_to_one},
                            {"config", nlohmann::json::parse(model.config_json, nullptr, false)},
                            {"files", nlohmann::json::parse(model.files_json, nullptr, false)}}}};
    for (const char* key : {"config", "files"})
        if (run["model"][key].is_discarded()) run["model"][key] = nullptr;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << run.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    file.close();
    if (!file) throw Error({.what = "This file cannot be written", .where = path.string()});
}

}  // namespace

void exportCsv(const std::filesystem::path& session, const std::filesystem::path& directory) {
    const SessionReader reader(session);
    std::error_code failure;
    std::filesystem::create_directories(directory, failure);
    if (failure)
        throw Error(
            {.what = "The directory cannot be created", .where = directory.string(), .found = failure.message()});
    RecordTables tables(reader, directory);
    reader.turnSettings([&](int, LaneId lane, const std::string& json) { tables.keepTurnSettings(lane, json); });
    for (const LaneOrigin& origin : reader.lanes()) tables.keepOrigin(origin);
    reader.replay([&](const StepTrace& trace) { tables.add(trace); },
                  [&](const LaneEvent& event) { tables.add(event); });
    tables.close();
    tables.writeBalance(directory / "balance.csv");
    exportLanes(reader, directory / "lanes.csv");
    exportAttributions(reader, directory / "attribution.csv");
    const ComparisonSnapshot comparison = comparisonOf(reader);
    if (!comparison.lanes.empty())
        exportComparison(
            comparison, [&](TokenId id) { return reader.tokenBytes(id); }, directory);
    writeMessages(reader, directory / "messages.csv");
    writeBookmarks(reader, directory / "bookmarks.csv");
    writeRun(reader, session, tables.tokens(), directory / "run.json");
}

}  // namespace mixoscope
