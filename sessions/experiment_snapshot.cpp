#include "sessions/experiment_snapshot.h"

#include <span>

namespace mixoscope {

ExperimentPointer readExperimentResults(const std::filesystem::path& file) {
    const ExperimentStore store = ExperimentStore::open(file);
    auto snapshot = std::make_shared<ExperimentSnapshot>();
    snapshot->state = ExperimentState::kReady;
    snapshot->file = snapshot->store = file;
    snapshot->identity = store.identity();
    const auto text = std::as_bytes(std::span(snapshot->identity.experiment_json));
    const ExperimentFacts facts = store.facts();
    snapshot->stretches = facts.stretches;
    const auto frame = std::make_shared<const ExperimentFrame>(frameOf(parseExperiment(text, file), facts));
    snapshot->frame = frame;
    ExperimentTally tally(frame);
    snapshot->runs = cellRuns(store, frame->cells.size(), [&](const RunResult& run) {
        tally.add(run);
        ++snapshot->done;
    });
    snapshot->results = tally.results();
    snapshot->task_loads = tally.taskLoads();
    snapshot->total = frame->runCount();
    return snapshot;
}

}  // namespace mixoscope
