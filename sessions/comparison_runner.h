// The comparison as a workbench has it: which lanes there are before, during and after a run, and the run itself. Of
// the functions, those marked are for the engine thread, the others for any.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "sessions/comparison.h"

namespace mixoscope {

class ComparisonRunner {
public:
    using Publish = std::function<void(std::shared_ptr<const ComparisonSnapshot>)>;
    explicit ComparisonRunner(Publish publish) : m_publish(std::move(publish)) {}

    void setLanes(std::vector<LaneSettings> lanes);
    void setLane(std::size_t index, const LaneSettings& settings);
    void addLane(const LaneSettings& settings);
    void removeLane(std::size_t index);
    void stop();
    /// Of the last run. It holds no recorder: the recorder's own thread may ask, and must never be its last owner.
    RecorderStatus recorderStatus() const;

    // --- engine thread -----------------------------------------------------------------------------------------------
    /// The model that runs will have; results of another one are dropped, its lanes stay.
    void setModel(std::shared_ptr<LoadedModel> loaded);
    /// Ends and forgets what setLanes() or setModel() has replaced.
    void retire();
    /// Makes a new run of the lanes; it begins with the first step(). Throws Error.
    void startRun(std::vector<Message> messages, Comparison::Options options);
    /// The last run. Throws Error when there is none.
    Comparison& comparison();
    std::shared_ptr<Recorder> recorder() const;
    /// Forgets everything; to be called before the end.
    void close();
    /// What went wrong with what was asked for.
    void fail(const ErrorParts& error);

private:
    std::vector<ComparedLane> seats(const std::vector<LaneSettings>& lanes) const;
    void check(ComparedLane& lane) const;
    void edit(const std::function<void(ComparisonSnapshot&)>& change);
    void publishFrom(std::uint64_t run, std::shared_ptr<const ComparisonSnapshot> snapshot);
    std::shared_ptr<Comparison> current() const;

    const Publish m_publish;
    std::mutex m_publishing;  // so that snapshots come in their order; taken before m_mutex
    mutable std::mutex m_mutex;
    std::shared_ptr<LoadedModel> m_loaded;
    ComparisonSnapshot m_planned;              // while there is no run
    std::shared_ptr<Comparison> m_comparison;  // of the last run
    std::vector<std::shared_ptr<Comparison>> m_retired;
    std::uint64_t m_run = 0;  // number of the last run; snapshots of earlier ones are not shown any more
};

}  // namespace mixoscope
