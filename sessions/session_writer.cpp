#include "sessions/session_writer.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <sqlite3.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "engine/settings_json.h"
#include "sessions/new_session_file.h"
#include "sessions/schema.h"
#include "sessions/trace_blob.h"

namespace mixoscope {

namespace {

constexpr std::string_view kDoing = "The session cannot be written";
constexpr int kBusyTimeoutMs = 5000;  // of somebody who changes a title on a slow disk; nothing is lost meanwhile

constexpr std::size_t kColumnBytes = 96;                  // of a row beside its routing, about
constexpr std::size_t kLogBytes = std::size_t{4} << 20U;  // then what it holds is brought into the file

constexpr const char* kInsertRow =
    "INSERT INTO rows (serial, step, lane, rows_in_step, step_end_us, step_us, position, token, phase, flags, turn,"
    " thinking_tokens, budget, logprob, rank, next_position, next_token, next_phase, next_flags, next_turn,"
    " next_thinking_tokens, next_budget, next_logprob, next_rank, routing)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kInsertEvent =
    "INSERT INTO events (serial, step, time_us, lane, position, kind, old_value, value, text)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

void addModel(SQLite::Database& database, const SessionModel& model) {
    SQLite::Statement insert(database,
                             "INSERT INTO model (id, name, directory, config_json, files_json, moe_layers, slots,"
                             " experts, distributions, layer_numbers_json, weights_sum_to_one, experts_per_token)"
                             " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    insert.bind(1, model.name);
    insert.bind(2, model.directory);
    insert.bind(3, model.config_json);
    insert.bind(4, model.files_json);
    insert.bind(5, model.shape.moe_layers);
    insert.bind(6, model.shape.slots);
    insert.bind(7, model.shape.experts);
    insert.bind(8, model.shape.distributions ? 1 : 0);
    insert.bind(9, nlohmann::json(model.moe_layers).dump());
    insert.bind(10, model.weights_sum_to_one ? 1 : 0);
    insert.bind(11, model.experts_per_token);
    insert.exec();
}

/// The new file with its tables and its model, open for writing.
SQLite::Database createDatabase(const std::filesystem::path& path, const SessionModel& model) {
    try {
        const std::size_t page_bytes = pageBytesFor(kColumnBytes + routingBytes(model.shape));
        createSessionFile(
            path, [&](SQLite::Database& database) { addModel(database, model); }, page_bytes);
        SQLite::Database database(path.string(), SQLite::OPEN_READWRITE, kBusyTimeoutMs);
        database.exec("PRAGMA journal_mode = WAL");
        database.exec("PRAGMA synchronous = NORMAL");
        database.exec("PRAGMA wal_autocheckpoint = " + std::to_string(kLogBytes / page_bytes));
        return database;
    } catch (const SQLite::Exception& exception) {
        throw sessionError(exception, path, kDoing);
    }
}

std::int64_t sizeOrZero(const std::filesystem::path& path) {
    std::error_code failure;
    const auto size = std::filesystem::file_size(path, failure);
    return failure ? 0 : static_cast<std::int64_t>(size);
}

/// NaN and infinity are kept as what SQLite has for them: no value, and its own infinity.
void bindNumber(SQLite::Statement& statement, int index, double value) {
    if (std::isnan(value))
        statement.bind(index);
    else
        statement.bind(index, value);
}

void bindToken(SQLite::Statement& statement, int first, const TokenTrace& token) {
    statement.bind(first, token.position);
    statement.bind(first + 1, token.id);
    statement.bind(first + 2, static_cast<std::int32_t>(token.phase));
    statement.bind(first + 3, static_cast<std::int32_t>(token.flags));
    statement.bind(first + 4, token.turn);
    statement.bind(first + 5, token.thinking_tokens);
    statement.bind(first + 6, token.budget);
    bindNumber(statement, first + 7, static_cast<double>(token.logprob));
    statement.bind(first + 8, token.rank);
}

}  // namespace

struct SessionWriter::Impl {
    std::filesystem::path path;
    std::function<std::string(TokenId)> token_bytes;
    SQLite::Database database;
    SQLite::Statement insert_row{database, kInsertRow};
    SQLite::Statement insert_event{database, kInsertEvent};
    SQLite::Statement insert_token{database, "INSERT OR IGNORE INTO vocabulary (id, bytes) VALUES (?, ?)"};
    SQLite::Statement insert_message{database, "INSERT INTO messages (turn, role, text, mode) VALUES (?, ?, ?, ?)"};
    SQLite::Statement insert_settings{database, "INSERT INTO turn_settings (turn, lane, json) VALUES (?, ?, ?)"};
    SQLite::Statement insert_metadata{database, "INSERT OR REPLACE INTO session (key, value) VALUES (?, ?)"};
    SQLite::Statement update_totals{database,
                                    "UPDATE totals SET row_count = ?, event_count = ?, lost_count = ? WHERE id = 1"};
    std::unordered_set<TokenId> known_tokens;
    std::vector<std::byte> blob;
    bool open = false;  // inside a transaction
    std::int64_t rows = 0;
    std::int64_t events = 0;
    std::int64_t lost = 0;
    std::int64_t committed_rows = 0;

    Impl(const std::filesystem::path& file, const SessionModel& model, std::function<std::string(TokenId)> bytes)
        : path(file), token_bytes(std::move(bytes)), database(createDatabase(file, model)) {}

    /// Runs `action`; what SQLite throws becomes an Error.
    template <typename Action>
    void guarded(Action&& action) {
        try {
            action();
        } catch (const SQLite::Exception& exception) {
            throw sessionError(exception, path, kDoing);
        }
    }

    void begin() {
        if (open) return;
        database.exec("BEGIN IMMEDIATE");
        open = true;
    }

    /// Binds nothing itself: `bind` does; the statement is ready for the next use afterwards, also after a failure.
    template <typename Bind>
    void run(SQLite::Statement& statement, Bind&& bind) {
        guarded([&] {
            begin();
            statement.tryReset();
            bind(statement);
            statement.exec();
        });
    }

    void keepToken(TokenId id) {
        if (id < 0 || !known_tokens.insert(id).second) return;
        const std::string bytes = token_bytes(id);
        run(insert_token, [&](SQLite::Statement& statement) {
            statement.bind(1, id);
            statement.bind(2, static_cast<const void*>(bytes.data()), static_cast<int>(bytes.size()));
        });
    }
};

SessionWriter::SessionWriter(const std::filesystem::path& path, const SessionModel& model,
                             std::function<std::string(TokenId)> token_bytes)
    : m_impl(std::make_unique<Impl>(path, model, std::move(token_bytes))) {}

SessionWriter::~SessionWriter() = default;

void SessionWriter::setMetadata(const std::string& key, const std::string& value) {
    m_impl->run(m_impl->insert_metadata, [&](SQLite::Statement& statement) {
        statement.bind(1, key);
        statement.bind(2, value);
    });
}

void SessionWriter::addRow(const StepTrace& trace) {
    m_impl->keepToken(trace.token.id);
    m_impl->keepToken(trace.next.id);
    encodeRouting(trace, m_impl->blob);
    m_impl->run(m_impl->insert_row, [&](SQLite::Statement& statement) {
        statement.bind(1, trace.serial);
        statement.bind(2, trace.step);
        statement.bind(3, trace.lane);
        statement.bind(4, trace.rows_in_step);
        statement.bind(5, trace.step_end_us);
        statement.bind(6, trace.step_us);
        bindToken(statement, 7, trace.token);
        bindToken(statement, 16, trace.next);
        statement.bindNoCopy(25, static_cast<const void*>(m_impl->blob.data()), static_cast<int>(m_impl->blob.size()));
    });
    ++m_impl->rows;
}

void SessionWriter::addEvent(const LaneEvent& event) {
    m_impl->run(m_impl->insert_event, [&](SQLite::Statement& statement) {
        statement.bind(1, event.serial);
        statement.bind(2, event.step);
        statement.bind(3, event.time_us);
        statement.bind(4, event.lane);
        statement.bind(5, event.position);
        statement.bind(6, static_cast<std::int32_t>(event.kind));
        statement.bind(7, event.old_value);
        statement.bind(8, event.value);
        statement.bind(9, std::string(event.text));
    });
    ++m_impl->events;
}

void SessionWriter::addMessage(int turn, int role, std::string_view text, int mode) {
    m_impl->run(m_impl->insert_message, [&](SQLite::Statement& statement) {
        statement.bind(1, turn);
        statement.bind(2, role);
        statement.bind(3, std::string(text));
        statement.bind(4, mode);
    });
}

void SessionWriter::addTurnSettings(int turn, LaneId lane, std::string_view json) {
    m_impl->run(m_impl->insert_settings, [&](SQLite::Statement& statement) {
        statement.bind(1, turn);
        statement.bind(2, lane);
        statement.bind(3, std::string(json));
    });
}

void SessionWriter::addLane(const LaneOrigin& origin) {
    SQLite::Statement insert(m_impl->database,
                             "INSERT INTO lanes (lane, role, tag, parent, position, change, json)"
                             " VALUES (?, ?, ?, ?, ?, ?, ?)");
    m_impl->run(insert, [&](SQLite::Statement& statement) {
        statement.bind(1, origin.lane);
        statement.bind(2, static_cast<std::int32_t>(origin.role));
        statement.bind(3, origin.tag);
        statement.bind(4, origin.parent);
        statement.bind(5, origin.position);
        statement.bind(6, origin.change);
        statement.bind(7, settingsToJson(origin.settings));
    });
}

void SessionWriter::addForcedTokens(LaneId lane, std::span<const ForcedTokenMeasures> tokens) {
    SQLite::Statement insert(m_impl->database,
                             "INSERT INTO forced_tokens (lane, position, token, logprob, divergence, same_top)"
                             " VALUES (?, ?, ?, ?, ?, ?)");
    for (const ForcedTokenMeasures& token : tokens) {
        m_impl->keepToken(token.token);
        m_impl->run(insert, [&](SQLite::Statement& statement) {
            statement.bind(1, lane);
            statement.bind(2, token.position);
            statement.bind(3, token.token);
            bindNumber(statement, 4, token.logprob);
            bindNumber(statement, 5, token.divergence);
            statement.bind(6, token.same_top ? 1 : 0);
        });
    }
}

void SessionWriter::addAttribution(const AttributionSnapshot& attribution) {
    SQLite::Statement insert(m_impl->database,
                             "INSERT INTO attributions (lane, position, token, layers, slots, logprob)"
                             " VALUES (?, ?, ?, ?, ?, ?)");
    m_impl->keepToken(attribution.token);
    m_impl->run(insert, [&](SQLite::Statement& statement) {
        statement.bind(1, attribution.lane);
        statement.bind(2, attribution.position);
        statement.bind(3, attribution.token);
        statement.bind(4, attribution.layers);
        statement.bind(5, attribution.slots);
        bindNumber(statement, 6, attribution.logprob);
    });
    const std::int64_t id = m_impl->database.getLastInsertRowid();
    SQLite::Statement cell(m_impl->database,
                           "INSERT INTO attribution_cells (attribution, layer, slot, expert, change)"
                           " VALUES (?, ?, ?, ?, ?)");
    for (std::size_t index = 0; index < attribution.experts.size(); ++index) {
        if (attribution.experts[index] < 0) continue;
        m_impl->run(cell, [&](SQLite::Statement& statement) {
            statement.bind(1, id);
            statement.bind(2, static_cast<std::int32_t>(index) / attribution.slots);
            statement.bind(3, static_cast<std::int32_t>(index) % attribution.slots);
            statement.bind(4, static_cast<std::int32_t>(attribution.experts[index]));
            bindNumber(statement, 5, attribution.changes[index]);
        });
    }
}

void SessionWriter::setLost(std::int64_t lost) {
    if (lost == m_impl->lost) return;
    m_impl->guarded([&] { m_impl->begin(); });
    m_impl->lost = lost;
}

bool SessionWriter::dirty() const {
    return m_impl->open;
}

void SessionWriter::commit() {
    if (!m_impl->open) return;
    m_impl->run(m_impl->update_totals, [&](SQLite::Statement& statement) {
        statement.bind(1, m_impl->rows);
        statement.bind(2, m_impl->events);
        statement.bind(3, m_impl->lost);
    });
    m_impl->guarded([&] { m_impl->database.exec("COMMIT"); });
    m_impl->open = false;
    m_impl->committed_rows = m_impl->rows;
}

void SessionWriter::finish() {
    commit();
    for (SQLite::Statement* statement :
         {&m_impl->insert_row, &m_impl->insert_event, &m_impl->insert_token, &m_impl->insert_message,
          &m_impl->insert_settings, &m_impl->insert_metadata, &m_impl->update_totals})
        statement->tryReset();
    // Whoever has the file open keeps its log beside it. What the log holds belongs into the file all the same:
    // somebody may copy the file alone. It stays in the log only while someone is in the middle of reading, and loses
    // nothing there.
    m_impl->database.tryExec("PRAGMA wal_checkpoint(TRUNCATE)");
    if (m_impl->database.tryExec("PRAGMA journal_mode = DELETE") != SQLITE_OK &&
        m_impl->database.getErrorCode() != SQLITE_BUSY && m_impl->database.getErrorCode() != SQLITE_LOCKED)
        m_impl->guarded([&] { throw SQLite::Exception(m_impl->database.getHandle()); });
}

std::int64_t SessionWriter::committedRows() const {
    return m_impl->committed_rows;
}

std::int64_t SessionWriter::fileBytes() const {
    return sizeOrZero(m_impl->path) + sizeOrZero(m_impl->path.string() + "-wal");
}

}  // namespace mixoscope
