// The experiment in a .mixo file: what was asked for, and every run that has finished. A run is in the file whole or
// not at all; what was committed survives a crash, and a sweep goes on from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "sessions/experiment_frame.h"
#include "sessions/sweep.h"

namespace mixoscope {

/// What must be the same for runs to belong to one experiment.
struct ExperimentIdentity {
    std::string experiment_json;  // experimentJson()
    std::string model_hash;
    std::string tasks_hash;  // over the prompts and references of all items, and the tokens of texts
};
ExperimentIdentity identityOf(const Sweep& sweep);

/// Whether this file holds an experiment and no conversation; false also for what cannot be read.
bool holdsExperiment(const std::filesystem::path& file);

class ExperimentStore {
public:
    /// A new file. Throws Error when it exists or cannot be written.
    static ExperimentStore create(const std::filesystem::path& file, const ExperimentIdentity& identity,
                                  const ExperimentFacts& facts);
    /// Goes on with a file, which is brought to today's version. Throws Error when it is no experiment, or one of
    /// another experiment, model or task file: which of them, what was recorded and what is asked for.
    static ExperimentStore resume(const std::filesystem::path& file, const ExperimentIdentity& identity);
    /// Only to read, also where nothing may be written. Throws Error.
    static ExperimentStore open(const std::filesystem::path& file);
    ~ExperimentStore();
    ExperimentStore(ExperimentStore&&) noexcept;

    ExperimentIdentity identity() const;
    /// Throws Error when the runs are of another experiment, model or task file.
    void requireSame(const ExperimentIdentity& asked) const;
    ExperimentFacts facts() const;
    /// Notes who makes the runs that are added from now on. Throws Error.
    void begin(const ExperimentStretch& stretch);
    std::set<RunKey> done() const;
    /// Takes a run in; it is committed within kCommitEvery of it, with the next add() or by commit(). Throws Error.
    void add(const RunResult& run);
    void commit();
    /// Every run, by cell and item.
    void forRuns(const std::function<void(const RunResult&)>& visit) const;

private:
    enum class Access { kRead, kWrite };
    struct Impl;
    static ExperimentStore checked(const std::filesystem::path& file, Access access);
    explicit ExperimentStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> m_impl;
};

/// The finished runs of a cell in the order of their items, without the counts of their load.
using CellRuns = std::vector<RunResult>;
/// The runs of a store by cell; null: none. `visit` is given each before its load is left out. Throws Error, and what
/// `visit` throws.
std::vector<std::shared_ptr<const CellRuns>> cellRuns(const ExperimentStore& store, std::size_t cells,
                                                      const std::function<void(const RunResult&)>& visit);

/// Where an experiment's runs are kept: the first of NAME/experiment.mixo, NAME-2/experiment.mixo … in `directory` that
/// is not there yet or holds this very experiment. Throws Error when it cannot be looked up.
std::filesystem::path experimentStoreFor(const std::filesystem::path& directory, const std::string& name,
                                         const ExperimentIdentity& identity);

}  // namespace mixoscope
