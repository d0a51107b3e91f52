#include "sessions/schema.h"

#include <SQLiteCpp/Transaction.h>
#include <sqlite3.h>

#include <array>
#include <string>

namespace mixoscope {

namespace {

// Token columns carry TokenTrace's fields; a NaN logprob is NULL. `routing` is the blob of sessions/trace_blob.h.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE session (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE model (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    directory TEXT NOT NULL,
    config_json TEXT NOT NULL,
    files_json TEXT NOT NULL,
    moe_layers INTEGER NOT NULL,
    slots INTEGER NOT NULL,
    experts INTEGER NOT NULL,
    distributions INTEGER NOT NULL,
    layer_numbers_json TEXT NOT NULL,
    weights_sum_to_one INTEGER NOT NULL,
    experts_per_token INTEGER NOT NULL
);
CREATE TABLE vocabulary (
    id INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
);
CREATE TABLE rows (
    serial INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    rows_in_step INTEGER NOT NULL,
    step_end_us INTEGER NOT NULL,
    step_us INTEGER NOT NULL,
    position INTEGER NOT NULL,
    token INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    thinking_tokens INTEGER NOT NULL,
    budget INTEGER NOT NULL,
    logprob REAL,
    rank INTEGER NOT NULL,
    next_position INTEGER NOT NULL,
    next_token INTEGER NOT NULL,
    next_phase INTEGER NOT NULL,
    next_flags INTEGER NOT NULL,
    next_turn INTEGER NOT NULL,
    next_thinking_tokens INTEGER NOT NULL,
    next_budget INTEGER NOT NULL,
    next_logprob REAL,
    next_rank INTEGER NOT NULL,
    routing BLOB NOT NULL
);
CREATE TABLE events (
    serial INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    old_value INTEGER NOT NULL,
    value INTEGER NOT NULL,
    text TEXT NOT NULL
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL,
    role INTEGER NOT NULL,
    text TEXT NOT NULL,
    mode INTEGER NOT NULL
);
CREATE TABLE turn_settings (
    id INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    json TEXT NOT NULL
);
CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    row_count INTEGER NOT NULL,
    event_count INTEGER NOT NULL,
    lost_count INTEGER NOT NULL
);
INSERT INTO totals (id, row_count, event_count, lost_count) VALUES (1, 0, 0, 0);
)sql";

// What each lane is there for (LaneOrigin; role is LaneRole, json is engine/settings_json.h), what teacher-forced
// lanes made of the baseline's tokens, what each expert did for a token. A file of version 1 has one lane, the
// conversation.
constexpr const char* kVersion2 = R"sql(
CREATE TABLE lanes (
    lane INTEGER PRIMARY KEY,
    role INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    position INTEGER NOT NULL,
    change TEXT NOT NULL,
    json TEXT NOT NULL
);
CREATE TABLE forced_tokens (
    lane INTEGER NOT NULL,
    position INTEGER NOT NULL,
    token INTEGER NOT NULL,
    logprob REAL,
    divergence REAL,
    same_top INTEGER NOT NULL,
    PRIMARY KEY (lane, position)
) WITHOUT ROWID;
CREATE TABLE attributions (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    position INTEGER NOT NULL,
    token INTEGER NOT NULL,
    layers INTEGER NOT NULL,
    slots INTEGER NOT NULL,
    logprob REAL
);
CREATE TABLE attribution_cells (
    attribution INTEGER NOT NULL,
    layer INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    expert INTEGER NOT NULL,
    change REAL,
    PRIMARY KEY (attribution, layer, slot)
) WITHOUT ROWID;
)sql";

// An experiment's file has these instead of a conversation. `load` holds 32-bit counts (MoE layers, experts).
constexpr const char* kVersion3 = R"sql(
CREATE TABLE experiment (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    json TEXT NOT NULL,
    model_hash TEXT NOT NULL,
    tasks_hash TEXT NOT NULL
);
CREATE TABLE runs (
    cell INTEGER NOT NULL,
    item INTEGER NOT NULL,
    answer TEXT NOT NULL,
    judged INTEGER NOT NULL,
    correct INTEGER NOT NULL,
    followed_mode INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    thinking_tokens INTEGER NOT NULL,
    answer_tokens INTEGER NOT NULL,
    injected_tokens INTEGER NOT NULL,
    stop_reason INTEGER NOT NULL,
    ttft_ms REAL NOT NULL,
    tpot_ms REAL NOT NULL,
    latency_ms REAL NOT NULL,
    row_count INTEGER NOT NULL,
    ran INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    virtual INTEGER NOT NULL,
    prompt_selections INTEGER NOT NULL,
    prompt_dropped INTEGER NOT NULL,
    stray_tags INTEGER NOT NULL,
    closed_by_budget INTEGER NOT NULL,
    block_left_open INTEGER NOT NULL,
    prompt_ms REAL NOT NULL,
    generated_ms REAL NOT NULL,
    load BLOB NOT NULL,
    PRIMARY KEY (cell, item)
) WITHOUT ROWID;
)sql";

// What a run that scores a text found; a sum that is not known is NULL. Runs of earlier versions score nothing.
constexpr const char* kVersion4 = R"sql(
ALTER TABLE runs ADD COLUMN scored_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN nll REAL DEFAULT 0.0;
)sql";

/// Step i brings a file from version i to version i + 1.
constexpr std::array<const char*, kSessionVersion> kSteps = {kVersion1, kVersion2, kVersion3, kVersion4};

int pragma(SQLite::Database& database, const char* name) {
    return database.execAndGet(std::string("PRAGMA ") + name).getInt();
}

}  // namespace

void migrateSession(SQLite::Database& database) {
    SQLite::Transaction transaction(database);
    for (int version = pragma(database, "user_version"); version < kSessionVersion; ++version)
        database.exec(kSteps[static_cast<std::size_t>(version)]);
    database.exec("PRAGMA application_id = " + std::to_string(kSessionApplicationId));
    database.exec("PRAGMA user_version = " + std::to_string(kSessionVersion));
    transaction.commit();
}

void checkSessionVersion(SQLite::Database& database, const std::filesystem::path& path) {
    if (pragma(database, "application_id") != kSessionApplicationId)
        throw Error({.what = "This is a database, but not a session of Mixoscope",
                     .where = path.string() + ", application_id",
                     .expected = std::to_string(kSessionApplicationId),
                     .found = std::to_string(pragma(database, "application_id")),
                     .advice = {}});
    const int version = pragma(database, "user_version");
    if (version > kSessionVersion || version < 1)
        throw Error({.what = version > kSessionVersion ? "This session was written by a newer version of Mixoscope"
                                                       : "This session has no version",
                     .where = path.string() + ", user_version",
                     .expected = "1 to " + std::to_string(kSessionVersion),
                     .found = std::to_string(version),
                     .advice = "Open it with the version that wrote it; the file was not changed"});
}

Error sessionError(const SQLite::Exception& exception, const std::filesystem::path& path, std::string_view doing) {
    ErrorParts parts;
    parts.where = path.string();
    parts.what = doing;
    switch (exception.getErrorCode()) {
        case SQLITE_NOTADB:
            parts.what = "This file is not a session of Mixoscope";
            parts.expected = "a SQLite database";
            break;
        case SQLITE_CORRUPT:
            parts.what += ": the file is damaged";
            break;
        case SQLITE_FULL:
            parts.what += ": the disk is full";
            break;
        case SQLITE_READONLY:
            parts.what += ": the file or its directory is read-only";
            break;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            parts.what += ": another process has locked the file";
            break;
        case SQLITE_CANTOPEN:
            parts.what += ": the file cannot be opened";
            break;
        case SQLITE_IOERR:
            parts.what += ": reading or writing the file failed";
            break;
        default:
            break;
    }
    parts.found = exception.what();
    return Error(std::move(parts));
}

}  // namespace mixoscope
