#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "engine/chat_template.h"
#include "engine/settings_json.h"
#include "sessions/file_identity.h"
#include "sessions/read_only_database.h"
#include "sessions/record_columns.h"
#include "sessions/schema.h"
#include "sessions/session_file.h"
#include "sessions/trace_blob.h"

namespace mixoscope {

namespace {

constexpr std::string_view kDoing = "The session cannot be read";
/// These and kMostPositions bound what a damaged file can make its readers allocate.
constexpr std::int64_t kMostLayers = 4096;
constexpr std::int64_t kMostExperts = 32767;
constexpr std::int64_t kMostCells = std::int64_t{1} << 16;  // layers × slots, and layers × experts: a row's numbers
constexpr int kStepsBetweenQuestions = 200;                 // of SQLite's machine: some rows
constexpr int kAttempts = 50;                               // to open a file that others change all the time
constexpr std::chrono::milliseconds kPause{10};

constexpr const char* kSelectRows =
    "SELECT serial, step, lane, rows_in_step, step_end_us, step_us, position, token, phase, flags, turn,"
    " thinking_tokens, budget, logprob, rank, next_position, next_token, next_phase, next_flags, next_turn,"
    " next_thinking_tokens, next_budget, next_logprob, next_rank, routing FROM rows WHERE serial >= ? AND serial < ?"
    " ORDER BY serial";
constexpr const char* kSelectEvents =
    "SELECT serial, step, time_us, lane, position, kind, old_value, value, text FROM events"
    " WHERE serial >= ? AND serial < ? ORDER BY serial";

/// What SQLite counts up in the file's head with every change, as it is in the file now.
std::array<unsigned char, 4> changeCounter(const SQLite::Database& database) {
    constexpr sqlite3_int64 kCounterAt = 24;
    std::array<unsigned char, 4> counter{};
    sqlite3_file* file = nullptr;
    if (sqlite3_file_control(database.getHandle(), "main", SQLITE_FCNTL_FILE_POINTER, static_cast<void*>(&file)) ==
            SQLITE_OK &&
        file->pMethods != nullptr)
        file->pMethods->xRead(file, counter.data(), static_cast<int>(counter.size()), kCounterAt);
    return counter;
}

}  // namespace

struct SessionReader::Impl {
    std::filesystem::path path;
    std::function<bool()> cancelled;
    ReadOnlyDatabase opened;
    SQLite::Database& database = opened.database;
    SessionModel model;
    std::map<std::string, std::string> metadata;  // of a file that is read as it is: that alone may be changed later

    Impl(const std::filesystem::path& file, std::function<bool()> is_cancelled)
        : path(file), cancelled(std::move(is_cancelled)), opened(openReadOnly(file)) {
        for (int attempt = 1; !readHead(attempt == kAttempts); ++attempt) {
            std::this_thread::sleep_for(kPause);
            opened = openReadOnly(path);
        }
    }

    /// What the file says of itself. False: somebody changed it meanwhile, so that it may be half the one and half the
    /// other.
    bool readHead(bool last_attempt) {
        // Whoever changes it has a log or a journal beside it for as long, and has counted before that is gone.
        const auto before = changeCounter(database);
        const auto being_changed = [&] { return hasBeside(path, "-journal") || hasBeside(path, "-wal"); };
        const bool changed_before = being_changed();
        const auto disturbed = [&] {
            return opened.as_it_is && (changed_before || being_changed() || fileBytes(path) != opened.bytes ||
                                       changeCounter(database) != before);
        };
        // What is wrong may be so because somebody compacted it, or is about to write the journal that was looked at.
        const auto passing = [&] { return !last_attempt && (disturbed() || identityOf(path) != opened.file); };
        try {
            if (cancelled) {
                const auto ask = [](void* reader) { return static_cast<Impl*>(reader)->cancelled() ? 1 : 0; };
                sqlite3_progress_handler(database.getHandle(), kStepsBetweenQuestions, ask, this);
            }
            checkSessionVersion(database, path);
            readModel();
            if (opened.as_it_is) readMetadata();
            if (!disturbed()) return true;
        } catch (const SQLite::Exception& exception) {
            if (!passing() && (last_attempt || exception.getErrorCode() != SQLITE_READONLY)) throw;
        } catch (const Error&) {
            if (!passing()) throw;
        }
        if (last_attempt) throw SQLite::Exception("it is being changed all the time", SQLITE_BUSY);
        return false;
    }

    void readMetadata() {
        metadata.clear();
        SQLite::Statement select(database, "SELECT key, value FROM session");
        while (select.executeStep()) metadata[select.getColumn(0).getString()] = select.getColumn(1).getString();
    }

    void readModel() {
        SQLite::Statement select(database,
                                 "SELECT name, directory, config_json, files_json, moe_layers, slots, experts,"
                                 " distributions, layer_numbers_json, weights_sum_to_one, experts_per_token FROM model"
                                 " WHERE id = 1");
        if (!select.executeStep()) {
            if (database.tableExists("experiment") &&
                database.execAndGet("SELECT count(*) FROM experiment").getInt() > 0)
                throw Error({.what = "This file holds an experiment, not a conversation",
                             .where = path.string(),
                             .expected = "a recorded session",
                             .found = "an experiment",
                             .advice = "Its tables are results.csv and runs.csv beside it"});
            refuseDamage(path, "table model", "one row", "none");
        }
        const auto bounded = [&](int column, std::int64_t most) {
            const std::int64_t value = select.getColumn(column).getInt64();
            if (value < 0 || value > most)
                refuseDamage(path, std::string("table model, ") + select.getColumnName(column),
                             "0 to " + std::to_string(most), std::to_string(value));
            return static_cast<std::int32_t>(value);
        };
        model.name = select.getColumn(0).getString();
        model.directory = select.getColumn(1).getString();
        model.config_json = select.getColumn(2).getString();
        model.files_json = select.getColumn(3).getString();
        model.shape.moe_layers = bounded(4, kMostLayers);
        model.shape.slots = bounded(5, kMostExperts);
        model.shape.experts = bounded(6, kMostExperts);
        model.shape.distributions = bounded(7, 1) != 0;
        const std::int64_t widest = std::max(model.shape.slots, model.shape.experts);
        if (model.shape.moe_layers * widest > kMostCells)
            refuseDamage(path, "table model, moe_layers × the larger of slots and experts",
                         "at most " + std::to_string(kMostCells), std::to_string(model.shape.moe_layers * widest));
        model.weights_sum_to_one = bounded(9, 1) != 0;
        model.experts_per_token = static_cast<std::int32_t>(select.getColumn(10).getInt64());
        const auto numbers = nlohmann::json::parse(select.getColumn(8).getString(), nullptr, false);
        if (!numbers.is_array() || numbers.size() != static_cast<std::size_t>(model.shape.moe_layers) ||
            !std::all_of(numbers.begin(), numbers.end(), [](const auto& number) { return number.is_number_integer(); }))
            refuseDamage(path, "table model, layer_numbers_json", "a number for each MoE layer", numbers.dump());
        model.moe_layers = numbers.get<std::vector<std::int32_t>>();
    }

    /// Runs `action`; what SQLite throws becomes an Error.
    template <typename Action>
    auto guarded(Action&& action) const {
        try {
            return action();
        } catch (const SQLite::Exception& exception) {
            throw sessionError(exception, path, kDoing);
        }
    }

    std::int64_t total(const char* column) const {
        return guarded([&] {
            SQLite::Statement select(database, std::string("SELECT ") + column + " FROM totals WHERE id = 1");
            if (!select.executeStep()) refuseDamage(path, "table totals", "one row", "none");
            return select.getColumn(0).getInt64();
        });
    }

    /// Tables of version 2; a file that is only read is not migrated.
    bool tellsOfLanes() const { return database.tableExists("lanes"); }

    std::vector<LaneOrigin> lanes() const {
        std::vector<LaneOrigin> found;
        if (!tellsOfLanes()) return found;
        SQLite::Statement select(database,
                                 "SELECT lane, role, tag, parent, position, change, json FROM lanes ORDER BY lane");
        const RecordColumns columns(select, path, "lanes");
        while (select.executeStep()) {
            LaneOrigin origin;
            origin.lane = columns.integer<LaneId>(0, 0);
            origin.role = static_cast<LaneRole>(columns.integer<int>(1, 0, static_cast<int>(LaneRole::kFork)));
            origin.tag = columns.integer<std::int32_t>(2, -1);
            // Lanes are numbered as they are made, so none goes on from itself by any way round.
            origin.parent = columns.integer<LaneId>(3, -1, std::int64_t{origin.lane} - 1);
            origin.position = columns.integer<std::int32_t>(4, origin.role == LaneRole::kFork ? 0 : -1, kMostPositions);
            origin.change = select.getColumn(5).getString();
            origin.settings =
                settingsFromJson(select.getColumn(6).getString(), path.string() + ", " + columns.place(6));
            found.push_back(std::move(origin));
        }
        return found;
    }

    std::vector<ForcedTokenMeasures> forcedTokens(LaneId lane) const {
        std::vector<ForcedTokenMeasures> tokens;
        if (!tellsOfLanes()) return tokens;
        SQLite::Statement select(database,
                                 "SELECT lane, position, token, logprob, divergence, same_top FROM forced_tokens"
                                 " WHERE lane = ? ORDER BY position");
        select.bind(1, lane);
        const RecordColumns columns(select, path, "forced_tokens");
        while (select.executeStep()) {
            tokens.push_back({.position = columns.integer<std::int32_t>(1, 0, kMostPositions),
                              .token = columns.integer<TokenId>(2, 0),
                              .logprob = columns.number(3),
                              .divergence = columns.number(4),
                              .same_top = columns.integer<int>(5, 0, 1) != 0});
        }
        return tokens;
    }

    std::vector<AttributionSnapshot> attributions() const {
        std::vector<AttributionSnapshot> found;
        if (!tellsOfLanes()) return found;
        SQLite::Statement select(database,
                                 "SELECT id, lane, position, token, layers, slots, logprob FROM attributions"
                                 " ORDER BY id");
        const RecordColumns columns(select, path, "attributions");
        while (select.executeStep()) {
            AttributionSnapshot attribution;
            attribution.lane = columns.integer<LaneId>(1);
            attribution.position = columns.integer<std::int32_t>(2, 0, kMostPositions);
            attribution.token = columns.integer<TokenId>(3, -1);
            attribution.layers = columns.integer<std::int32_t>(4, 0, model.shape.moe_layers);
            attribution.slots = columns.integer<std::int32_t>(5, 0, model.shape.slots);
            attribution.logprob = columns.number(6);
            addCells(select.getColumn(0).getInt64(), attribution);
            found.push_back(std::move(attribution));
        }
        return found;
    }

    void addCells(std::int64_t id, AttributionSnapshot& attribution) const {
        const std::size_t cells =
            static_cast<std::size_t>(attribution.layers) * static_cast<std::size_t>(attribution.slots);
        attribution.experts.assign(cells, -1);
        attribution.changes.assign(cells, std::numeric_limits<double>::quiet_NaN());
        SQLite::Statement select(database,
                                 "SELECT layer, slot, expert, change FROM attribution_cells WHERE attribution = ?");
        select.bind(1, id);
        const RecordColumns columns(select, path, "attribution_cells");
        while (select.executeStep()) {
            const auto layer = columns.integer<std::int32_t>(0, 0, attribution.layers - 1);
            const auto slot = columns.integer<std::int32_t>(1, 0, attribution.slots - 1);
            const auto cell = static_cast<std::size_t>(layer * attribution.slots + slot);
            attribution.experts[cell] = columns.integer<std::int16_t>(2, 0, model.shape.experts - 1);
            attribution.changes[cell] = columns.number(3);
            ++attribution.total;
            if (!std::isnan(attribution.changes[cell])) ++attribution.done;
        }
    }

    StepTrace rowOf(SQLite::Statement& select, const RecordColumns& columns, RoutingRow& routing) const {
        StepTrace trace;
        trace.serial = columns.serial(0);
        trace.step = columns.integer<std::int64_t>(1);
        trace.lane = columns.integer<std::int32_t>(2, 0);
        trace.rows_in_step = columns.integer<std::int32_t>(3);
        trace.step_end_us = columns.microseconds(4);
        trace.step_us = columns.integer<std::int32_t>(5);
        trace.token = columns.token(6);
        trace.next = columns.token(15);
        const SQLite::Column blob = select.getColumn(24);
        decodeRouting({static_cast<const std::byte*>(blob.getBlob()), static_cast<std::size_t>(blob.getBytes())},
                      model.shape, path.string() + ", " + columns.place(24), routing);
        trace.expert_ids = routing.expert_ids;
        trace.expert_weights = routing.expert_weights;
        trace.router = routing.router;
        trace.distributions = routing.distributions;
        return trace;
    }

    void replay(std::int64_t first, std::int64_t end, const std::function<void(const StepTrace&)>& row,
                const std::function<void(const LaneEvent&)>& event) const {
        SQLite::Statement rows(database, kSelectRows);
        SQLite::Statement events(database, kSelectEvents);
        for (SQLite::Statement* select : {&rows, &events}) {
            select->bind(1, first);
            select->bind(2, end);
        }
        const RecordColumns row_columns(rows, path, "rows");
        const RecordColumns event_columns(events, path, "events");
        RoutingRow routing;
        std::int64_t row_from = first;
        std::int64_t event_from = first;
        bool has_row = rows.executeStep();
        bool has_event = events.executeStep();
        while (has_row || has_event) {
            const bool row_first =
                has_row && (!has_event || rows.getColumn(0).getInt64() < events.getColumn(0).getInt64());
            if (row_first) {
                row_from = serialAfter(row_columns, row_from);
                row(rowOf(rows, row_columns, routing));
                has_row = rows.executeStep();
            } else {
                event_from = serialAfter(event_columns, event_from);
                event(event_columns.event());
                has_event = events.executeStep();
            }
        }
    }

    /// SQLite takes the order of records from where they lie, and a damaged page can put them anywhere.
    std::int64_t serialAfter(const RecordColumns& columns, std::int64_t least) const {
        const std::int64_t serial = columns.serial(0);
        if (serial < least)
            refuseDamage(path, columns.place(0), "at least " + std::to_string(least), std::to_string(serial));
        return serial + 1;
    }
};

SessionReader::SessionReader(const std::filesystem::path& path, std::function<bool()> cancelled) {
    try {
        m_impl = std::make_unique<Impl>(path, std::move(cancelled));
    } catch (const SQLite::Exception& exception) {
        throw sessionError(exception, path, kDoing);
    }
}

SessionReader::~SessionReader() = default;

ModelConfig recordedConfig(const SessionModel& model) {
    const std::span text(model.config_json.data(), model.config_json.size());
    try {
        return parseModelConfig(std::as_bytes(text), "table model, config_json");
    } catch (const Error&) {
        return {};
    }
}

SessionModel SessionReader::model() const {
    return m_impl->model;
}
std::int64_t SessionReader::rowCount() const {
    return m_impl->total("row_count");
}
std::int64_t SessionReader::eventCount() const {
    return m_impl->total("event_count");
}
std::int64_t SessionReader::lostCount() const {
    return m_impl->total("lost_count");
}

std::string SessionReader::metadata(const std::string& key) const {
    if (m_impl->opened.as_it_is) {
        const auto found = m_impl->metadata.find(key);
        return found == m_impl->metadata.end() ? std::string() : found->second;
    }
    return m_impl->guarded([&] {
        SQLite::Statement select(m_impl->database, "SELECT value FROM session WHERE key = ?");
        select.bind(1, key);
        return select.executeStep() ? select.getColumn(0).getString() : std::string();
    });
}

void SessionReader::replay(const std::function<void(const StepTrace&)>& row,
                           const std::function<void(const LaneEvent&)>& event) const {
    constexpr auto kEnd = std::numeric_limits<std::int64_t>::max();
    m_impl->guarded([&] { m_impl->replay(std::numeric_limits<std::int64_t>::min(), kEnd, row, event); });
}

void SessionReader::replay(std::int64_t first, std::int64_t end, const std::function<void(const StepTrace&)>& row,
                           const std::function<void(const LaneEvent&)>& event) const {
    m_impl->guarded([&] { m_impl->replay(first, end, row, event); });
}

std::int64_t SessionReader::endSerial() const {
    return m_impl->guarded([&] {
        SQLite::Statement select(m_impl->database,
                                 "SELECT max(coalesce((SELECT max(serial) FROM rows), -1),"
                                 " coalesce((SELECT max(serial) FROM events), -1)) + 1");
        const std::int64_t end = select.executeStep() ? select.getColumn(0).getInt64() : 0;
        if (end > kMostSerial + 1)
            refuseDamage(m_impl->path, "tables rows and events, serial", "at most " + std::to_string(kMostSerial),
                         std::to_string(end - 1));
        return end;
    });
}

std::int64_t SessionReader::firstSerialFrom(std::int64_t serial) const {
    return m_impl->guarded([&] {
        SQLite::Statement select(m_impl->database,
                                 "SELECT min(coalesce((SELECT min(serial) FROM rows WHERE serial >= ?1), ?2),"
                                 " coalesce((SELECT min(serial) FROM events WHERE serial >= ?1), ?2))");
        select.bind(1, serial);
        select.bind(2, kMostSerial + 1);
        const std::int64_t found = select.executeStep() ? select.getColumn(0).getInt64() : kMostSerial + 1;
        if (found < serial)
            refuseDamage(m_impl->path, "tables rows and events, serial", "at least " + std::to_string(serial),
                         std::to_string(found));
        return found;
    });
}

std::int64_t SessionReader::rowsBefore(std::int64_t end) const {
    return m_impl->guarded([&] {
        SQLite::Statement select(m_impl->database, "SELECT count(*) FROM rows WHERE serial < ?");
        select.bind(1, end);
        return select.executeStep() ? select.getColumn(0).getInt64() : 0;
    });
}

std::map<TokenId, std::string> SessionReader::vocabulary() const {
    return m_impl->guarded([&] {
        std::map<TokenId, std::string> bytes;
        SQLite::Statement select(m_impl->database, "SELECT id, bytes FROM vocabulary");
        while (select.executeStep()) {
            const SQLite::Column column = select.getColumn(1);
            bytes.emplace(select.getColumn(0).getInt(), std::string(static_cast<const char*>(column.getBlob()),
                                                                    static_cast<std::size_t>(column.getBytes())));
        }
        return bytes;
    });
}

std::string SessionReader::tokenBytes(TokenId id) const {
    return m_impl->guarded([&] {
        SQLite::Statement select(m_impl->database, "SELECT bytes FROM vocabulary WHERE id = ?");
        select.bind(1, id);
        if (!select.executeStep()) return std::string();
        const SQLite::Column bytes = select.getColumn(0);
        return std::string(static_cast<const char*>(bytes.getBlob()), static_cast<std::size_t>(bytes.getBytes()));
    });
}

void SessionReader::turnSettings(
    const std::function<void(int turn, LaneId lane, const std::string& json)>& visit) const {
    m_impl->guarded([&] {
        SQLite::Statement select(m_impl->database, "SELECT turn, lane, json FROM turn_settings ORDER BY id");
        while (select.executeStep())
            visit(select.getColumn(0).getInt(), select.getColumn(1).getInt(), select.getColumn(2).getString());
    });
}

std::vector<LaneOrigin> SessionReader::lanes() const {
    return m_impl->guarded([&] { return m_impl->lanes(); });
}

std::vector<ForcedTokenMeasures> SessionReader::forcedTokens(LaneId lane) const {
    return m_impl->guarded([&] { return m_impl->forcedTokens(lane); });
}

std::vector<AttributionSnapshot> SessionReader::attributions() const {
    return m_impl->guarded([&] { return m_impl->attributions(); });
}

void SessionReader::messages(
    const std::function<void(int turn, int role, const std::string& text, int mode)>& visit) const {
    m_impl->guarded([&] {
        SQLite::Statement select(m_impl->database, "SELECT id, turn, role, text, mode FROM messages ORDER BY id");
        const RecordColumns columns(select, m_impl->path, "messages");
        while (select.executeStep())
            visit(columns.integer<std::int32_t>(1, 0), columns.integer<int>(2, 0, static_cast<int>(Role::kAssistant)),
                  select.getColumn(3).getString(), columns.integer<int>(4, 0, static_cast<int>(ThinkingMode::kAuto)));
    });
}

}  // namespace mixoscope
