// Runs experiments on a thread of its own, with a model of its own, and publishes what there is to show. The file that
// it writes is that of `mixoscope sweep`: either goes on with what the other began. All functions may be called from
// any one thread (the GUI's); none waits for the model or the database, but the destructor for the step under way.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "sessions/experiment.h"
#include "sessions/experiment_snapshot.h"
#include "sessions/workbench.h"

namespace mixoscope {

class ExperimentRunner {
public:
    /// Of the options those about model, back end and threads. Experiments keep their runs in folders of `directory`,
    /// which is created with the first run.
    ExperimentRunner(WorkbenchOptions options, std::filesystem::path directory);
    ~ExperimentRunner();  // what has finished is in the file
    ExperimentRunner(const ExperimentRunner&) = delete;
    ExperimentRunner& operator=(const ExperimentRunner&) = delete;

    /// Called on the runner's thread when a new snapshot is there; at most once until snapshot() is called again.
    void setWake(std::function<void()> wake);
    ExperimentPointer snapshot() const;

    /// Opens an experiment file (JSON) or the results of one (.mixo); what an earlier run of the same experiment has is
    /// shown, and gone on with. Ends what runs.
    void open(std::filesystem::path file);
    /// An experiment that is in no file yet; `file` is where it would be.
    void open(Experiment experiment, std::filesystem::path file);
    /// Starts, or goes on with the runs that are missing; ends a pause.
    void run();
    /// Lets the runs under way end and begins no further ones.
    void pause();
    /// Gives up the runs under way; run() does them again.
    void stop();
    /// Waits until it neither runs nor opens anything; for scripts. A pause is waited for, too.
    void waitIdle();

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
