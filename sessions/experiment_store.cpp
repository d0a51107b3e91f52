#include "sessions/experiment_store.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/error.h"
#include "engine/model_hash.h"
#include "sessions/experiment_difference.h"
#include "sessions/new_session_file.h"
#include "sessions/plain_name.h"
#include "sessions/read_only_database.h"
#include "sessions/schema.h"
#include "sessions/session_edit.h"

namespace mixoscope {

namespace {

constexpr std::string_view kWriting = "The experiment cannot be written";
constexpr std::string_view kReading = "The experiment cannot be read";
constexpr std::string_view kFacts = "experiment_facts";
constexpr int kBusyTimeoutMs = 1000;
constexpr std::chrono::milliseconds kCommitEvery{250};

constexpr const char* kInsertRun =
    "INSERT INTO runs (cell, item, answer, judged, correct, followed_mode, prompt_tokens, thinking_tokens,"
    " answer_tokens, injected_tokens, stop_reason, ttft_ms, tpot_ms, latency_ms, row_count, ran, dropped,"
    " virtual, prompt_selections, prompt_dropped, stray_tags, closed_by_budget, block_left_open, prompt_ms, "
    "generated_ms, load, scored_tokens, nll)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr int kFirstThatScores = 4;  // version of a file that has scored_tokens and nll
constexpr std::string_view kSelectRuns =
    "SELECT cell, item, answer, judged, correct, followed_mode, prompt_tokens, thinking_tokens, answer_tokens,"
    " injected_tokens, stop_reason, ttft_ms, tpot_ms, latency_ms, row_count, ran, dropped,"
    " virtual, prompt_selections, prompt_dropped, stray_tags,"
    " closed_by_budget, block_left_open, prompt_ms, generated_ms, load";

/// Counts are written as little-endian 32-bit numbers, which is how every processor that this runs on has them.
std::vector<std::uint32_t> countsOf(const SQLite::Column& blob) {
    std::vector<std::uint32_t> counts(static_cast<std::size_t>(blob.getBytes()) / sizeof(std::uint32_t));
    std::memcpy(counts.data(), blob.getBlob(), counts.size() * sizeof(std::uint32_t));
    return counts;
}

RunResult runOf(SQLite::Statement& row) {
    int column = 0;
    const auto next = [&] { return row.getColumn(column++); };
    const auto number = [&] { return next().getInt64(); };
    const auto small = [&] { return next().getInt(); };
    RunResult run;
    run.key.cell = static_cast<std::size_t>(number());
    run.key.item = static_cast<std::size_t>(number());
    run.answer = next().getString();
    run.judged = small() != 0;
    run.correct = small() != 0;
    run.followed_mode = small() != 0;
    run.prompt_tokens = small();
    run.thinking_tokens = small();
    run.answer_tokens = small();
    run.injected_tokens = small();
    run.stop_reason = static_cast<StopReason>(small());
    run.ttft_ms = next().getDouble();
    run.tpot_ms = next().getDouble();
    run.latency_ms = next().getDouble();
    run.measures.rows = number();
    run.measures.ran = number();
    run.measures.dropped = number();
    run.measures.virtual_selections = number();
    run.measures.prompt_selections = number();
    run.measures.prompt_dropped = number();
    run.measures.stray_tags = small();
    run.measures.closed_by_budget = small() != 0;
    run.measures.block_left_open = small() != 0;
    run.measures.prompt_ms = next().getDouble();
    run.measures.generated_ms = next().getDouble();
    run.measures.load = countsOf(next());
    run.measures.scored_tokens = number();
    const SQLite::Column nll = next();
    run.measures.nll = nll.isNull() ? std::numeric_limits<double>::quiet_NaN() : nll.getDouble();
    return run;
}

void bindRun(SQLite::Statement& row, const RunResult& run) {
    int column = 0;
    const auto put = [&](const auto& value) { row.bind(++column, value); };
    put(static_cast<std::int64_t>(run.key.cell));
    put(static_cast<std::int64_t>(run.key.item));
    put(run.answer);
    put(static_cast<int>(run.judged));
    put(static_cast<int>(run.correct));
    put(static_cast<int>(run.followed_mode));
    put(run.prompt_tokens);
    put(run.thinking_tokens);
    put(run.answer_tokens);
    put(run.injected_tokens);
    put(static_cast<int>(run.stop_reason));
    put(run.ttft_ms);
    put(run.tpot_ms);
    put(run.latency_ms);
    put(run.measures.rows);
    put(run.measures.ran);
    put(run.measures.dropped);
    put(run.measures.virtual_selections);
    put(run.measures.prompt_selections);
    put(run.measures.prompt_dropped);
    put(run.measures.stray_tags);
    put(static_cast<int>(run.measures.closed_by_budget));
    put(static_cast<int>(run.measures.block_left_open));
    put(run.measures.prompt_ms);
    put(run.measures.generated_ms);
    row.bind(++column, run.measures.load.data(), static_cast<int>(run.measures.load.size() * sizeof(std::uint32_t)));
    put(run.measures.scored_tokens);
    put(run.measures.nll);  // SQLite keeps NaN as NULL
}

[[noreturn]] void refuse(const std::filesystem::path& file, const char* what, const std::string& recorded,
                         const std::string& asked, const char* advice) {
    throw Error({.what = std::string("The file holds runs of another ") + what,
                 .where = file.string(),
                 .expected = recorded,
                 .found = asked,
                 .advice = advice});
}

bool hasExperiment(SQLite::Database& database) {
    return database.execAndGet("SELECT count(*) FROM sqlite_master WHERE name = 'experiment'").getInt() != 0 &&
           database.execAndGet("SELECT count(*) FROM experiment").getInt() != 0;
}

void describeExperiment(SQLite::Database& database, const ExperimentIdentity& identity, const ExperimentFacts& facts) {
    SQLite::Statement insert(database, "INSERT INTO experiment (id, json, model_hash, tasks_hash) VALUES (1, ?, ?, ?)");
    insert.bind(1, identity.experiment_json);
    insert.bind(2, identity.model_hash);
    insert.bind(3, identity.tasks_hash);
    insert.exec();
    setMetadata(database, std::string(kFacts), factsJson(facts));
}

/// Of a file's name; letters, digits and a few signs stay.
std::string folderName(const std::string& name) {
    std::string folder = plainName(name);
    return folder.find_first_not_of('.') == std::string::npos ? "experiment" : folder;
}

bool sameExperiment(const ExperimentIdentity& a, const ExperimentIdentity& b) {
    return a.experiment_json == b.experiment_json && a.model_hash == b.model_hash && a.tasks_hash == b.tasks_hash;
}

}  // namespace

bool holdsExperiment(const std::filesystem::path& file) {
    try {
        ReadOnlyDatabase opened = openReadOnly(file);
        return hasExperiment(opened.database);
    } catch (const std::exception&) {
        return false;
    }
}

struct ExperimentStore::Impl {
    Impl(std::filesystem::path path, SQLite::Database opened) : file(std::move(path)), database(std::move(opened)) {}

    /// Runs `action`; what SQLite throws becomes an Error.
    template <typename Action>
    auto guarded(std::string_view doing, const Action& action) const {
        try {
            return action();
        } catch (const SQLite::Exception& exception) {
            throw sessionError(exception, file, doing);
        }
    }

    int version() const { return database.execAndGet("PRAGMA user_version").getInt(); }

    void commit() {
        if (!in_transaction) return;
        database.exec("COMMIT");
        in_transaction = false;
    }

    std::filesystem::path file;
    mutable SQLite::Database database;
    std::unique_ptr<SQLite::Statement> insert;
    bool in_transaction = false;
    std::chrono::steady_clock::time_point begun;
};

ExperimentIdentity identityOf(const Sweep& sweep) {
    std::string items;
    for (const TaskSet& task : sweep.tasks()) {
        for (const TaskItem& item : task.items) items += item.prompt + '\0' + item.reference + '\0';
        const auto tokens = std::as_bytes(std::span(task.tokens));  // a text's, also those that no window scores
        items.append(reinterpret_cast<const char*>(tokens.data()), tokens.size());
    }
    return {.experiment_json = experimentJson(sweep.experiment()),
            .model_hash = modelHash(sweep.model()),
            .tasks_hash = contentHash(std::as_bytes(std::span(items)))};
}

ExperimentStore::ExperimentStore(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
ExperimentStore::ExperimentStore(ExperimentStore&&) noexcept = default;

ExperimentStore::~ExperimentStore() {
    if (!m_impl) return;
    try {
        m_impl->commit();
    } catch (const SQLite::Exception&) {
        // The runs since the last commit are lost; a resume does them again.
    }
}

ExperimentStore ExperimentStore::create(const std::filesystem::path& file, const ExperimentIdentity& identity,
                                        const ExperimentFacts& facts) {
    std::error_code error;
    if (std::filesystem::exists(file, error))
        throw Error({.what = "This file exists already, and an experiment is never written over",
                     .where = file.string(),
                     .advice = "Go on with it with --resume, or give another directory"});
    try {
        createSessionFile(file, [&](SQLite::Database& database) { describeExperiment(database, identity, facts); });
        auto impl =
            std::make_unique<Impl>(file, SQLite::Database(file.string(), SQLite::OPEN_READWRITE, kBusyTimeoutMs));
        impl->database.exec("PRAGMA synchronous = NORMAL");
        return ExperimentStore(std::move(impl));
    } catch (const SQLite::Exception& exception) {
        throw sessionError(exception, file, kWriting);
    }
}

ExperimentStore ExperimentStore::checked(const std::filesystem::path& file, Access access) {
    std::error_code error;
    if (!std::filesystem::exists(file, error))
        throw Error(
            {.what = "There is no such file", .where = file.string(), .expected = "the .mixo file of an experiment"});
    try {
        auto impl = std::make_unique<Impl>(
            file, access == Access::kRead ? openReadOnly(file).database
                                          : SQLite::Database(file.string(), SQLite::OPEN_READWRITE, kBusyTimeoutMs));
        checkSessionVersion(impl->database, file);
        if (!hasExperiment(impl->database))
            throw Error({.what = "This session holds no experiment", .where = file.string()});
        return ExperimentStore(std::move(impl));
    } catch (const SQLite::Exception& exception) {
        throw sessionError(exception, file, access == Access::kRead ? kReading : kWriting);
    }
}

ExperimentStore ExperimentStore::open(const std::filesystem::path& file) {
    return checked(file, Access::kRead);
}

ExperimentStore ExperimentStore::resume(const std::filesystem::path& file, const ExperimentIdentity& identity) {
    // SQLite would open what is write-protected, and fail at the first run.
    for (const std::filesystem::path& written : {file, std::filesystem::absolute(file).parent_path()}) {
        if (::access(written.c_str(), F_OK) == 0 && ::faccessat(AT_FDCWD, written.c_str(), W_OK, AT_EACCESS) != 0)
            throw Error({.what = "The experiment can be read, but not gone on with",
                         .where = written.string(),
                         .expected = "a file in a folder, both of which may be written to",
                         .found = "no permission",
                         .advice = "Copy experiment.mixo to a folder of your own"});
    }
    ExperimentStore store = checked(file, Access::kWrite);
    store.requireSame(identity);
    store.m_impl->guarded(kWriting, [&] {
        if (store.m_impl->version() < kSessionVersion) migrateSession(store.m_impl->database);
    });
    return store;
}

void ExperimentStore::requireSame(const ExperimentIdentity& asked) const {
    const std::filesystem::path& file = m_impl->file;
    const ExperimentIdentity recorded = identity();
    if (recorded.experiment_json != asked.experiment_json) {
        const auto [before, now] = experimentDifference(recorded.experiment_json, asked.experiment_json);
        refuse(file, "experiment", before, now, "Undo the change of the experiment file, or give another directory");
    }
    if (recorded.model_hash != asked.model_hash)
        refuse(file, "model", recorded.model_hash, asked.model_hash,
               "Open the model that it was begun with, or give another directory");
    if (recorded.tasks_hash != asked.tasks_hash)
        refuse(file, "task file", recorded.tasks_hash, asked.tasks_hash,
               "Bring the task files back, or give another directory");
}

ExperimentIdentity ExperimentStore::identity() const {
    return m_impl->guarded(kReading, [&] {
        SQLite::Statement row(m_impl->database, "SELECT json, model_hash, tasks_hash FROM experiment WHERE id = 1");
        row.executeStep();
        return ExperimentIdentity{.experiment_json = row.getColumn(0).getString(),
                                  .model_hash = row.getColumn(1).getString(),
                                  .tasks_hash = row.getColumn(2).getString()};
    });
}

ExperimentFacts ExperimentStore::facts() const {
    return m_impl->guarded(kReading, [&] {
        SQLite::Statement row(m_impl->database, "SELECT value FROM session WHERE key = ?");
        row.bind(1, std::string(kFacts));
        return row.executeStep() ? parseFacts(row.getColumn(0).getString()) : ExperimentFacts();
    });
}

void ExperimentStore::begin(const ExperimentStretch& stretch) {
    ExperimentFacts known = facts();
    known.stretches.push_back(stretch);
    m_impl->guarded(kWriting, [&] {
        SQLite::Statement replace(m_impl->database, "INSERT OR REPLACE INTO session (key, value) VALUES (?, ?)");
        replace.bind(1, std::string(kFacts));
        replace.bind(2, factsJson(known));
        replace.exec();
    });
}

std::set<RunKey> ExperimentStore::done() const {
    return m_impl->guarded(kReading, [&] {
        std::set<RunKey> keys;
        SQLite::Statement row(m_impl->database, "SELECT cell, item FROM runs ORDER BY cell, item");
        while (row.executeStep())
            keys.insert({static_cast<std::size_t>(row.getColumn(0).getInt64()),
                         static_cast<std::size_t>(row.getColumn(1).getInt64())});
        return keys;
    });
}

void ExperimentStore::add(const RunResult& run) {
    m_impl->guarded(kWriting, [&] {
        if (!m_impl->insert) m_impl->insert = std::make_unique<SQLite::Statement>(m_impl->database, kInsertRun);
        const auto now = std::chrono::steady_clock::now();
        if (m_impl->in_transaction && now - m_impl->begun >= kCommitEvery) m_impl->commit();
        if (!m_impl->in_transaction) {
            m_impl->database.exec("BEGIN IMMEDIATE");
            m_impl->in_transaction = true;
            m_impl->begun = now;
        }
        bindRun(*m_impl->insert, run);
        m_impl->insert->exec();
        m_impl->insert->reset();
    });
}

void ExperimentStore::commit() {
    m_impl->guarded(kWriting, [&] { m_impl->commit(); });
}

void ExperimentStore::forRuns(const std::function<void(const RunResult&)>& visit) const {
    m_impl->guarded(kReading, [&] {
        const bool scores = m_impl->version() >= kFirstThatScores;
        SQLite::Statement row(m_impl->database, std::string(kSelectRuns) +
                                                    (scores ? ", scored_tokens, nll" : ", 0, 0.0") +
                                                    " FROM runs ORDER BY cell, item");
        while (row.executeStep()) visit(runOf(row));
    });
}

std::vector<std::shared_ptr<const CellRuns>> cellRuns(const ExperimentStore& store, std::size_t cells,
                                                      const std::function<void(const RunResult&)>& visit) {
    std::vector<std::shared_ptr<CellRuns>> read(cells);
    store.forRuns([&](const RunResult& run) {
        visit(run);
        if (run.key.cell >= cells) return;
        auto& cell = read[run.key.cell];
        if (cell == nullptr) cell = std::make_shared<CellRuns>();
        cell->push_back(run);
        cell->back().measures.load = {};
    });
    return {read.begin(), read.end()};
}

std::filesystem::path experimentStoreFor(const std::filesystem::path& directory, const std::string& name,
                                         const ExperimentIdentity& identity) {
    for (int number = 1;; ++number) {
        const std::string folder = folderName(name) + (number == 1 ? "" : "-" + std::to_string(number));
        std::filesystem::path file = directory / folder / "experiment.mixo";
        std::error_code error;
        if (!std::filesystem::exists(file, error)) return file;
        if (holdsExperiment(file) && sameExperiment(ExperimentStore::open(file).identity(), identity)) return file;
    }
}

}  // namespace mixoscope
