// One run of a comparison: two to eight lanes over one prompt in one batch, each with settings of its own, then the
// passes that measure them. One thread drives it (the constructor, start…(), step()); the rest may be called from any
// thread.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "sessions/comparison_measures.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/forced_pass.h"
#include "sessions/loaded_model.h"
#include "sessions/recorder.h"
#include "sessions/trace_tee.h"
#include "sessions/turn_plan.h"

namespace mixoscope {

class ProbeThread;

/// What all lanes are asked: messages (each lane renders them for its own mode), or token ids as they are.
struct ComparisonPrompt {
    std::vector<Message> messages;
    std::vector<TokenId> ids;   // fed as they are, if there are no messages
    bool ids_may_think = true;  // with ids: they leave the model free to think
};

class Comparison {
public:
    struct Options {
        std::filesystem::path record;                 // a session file that does not exist yet; empty: not recorded
        std::map<std::string, std::string> metadata;  // of the session
        std::function<void()> recorder_changed;       // called on the recorder's thread
        TraceSink* also = nullptr;                    // gets every record of the lanes as well, on the driving thread
        bool wait_for_readers = false;                // rather than lose records; a window must not, a script may
        std::uint64_t bootstrap_seed = 0;
        std::vector<std::int32_t> tags;  // of the lanes; empty: 0, 1, …
        /// Called with every change, on the driving thread or on the probes'.
        std::function<void(std::shared_ptr<const ComparisonSnapshot>)> publish;
    };
    /// Checks everything that can be checked before anything runs. Throws Error naming the lane.
    Comparison(std::shared_ptr<LoadedModel> loaded, ComparisonPrompt prompt, const std::vector<LaneSettings>& lanes,
               Options options);
    ~Comparison();
    Comparison(const Comparison&) = delete;
    Comparison& operator=(const Comparison&) = delete;

    // --- on the driving thread; one of these, then step() until it gives false ---------------------------------------
    /// The lanes run free. Once.
    void startRun();
    /// Every lane is fed the baseline's tokens, in lockstep: the prompt in the same chunks, then one token a step.
    /// Throws Error when the baseline has generated nothing.
    void startForced();
    /// Each lane's turn once more without the others.
    void startAlone();
    /// Throws Error for a place where nothing can be forked, or when there is no room for another lane.
    void startFork(const ForkRequest& request);
    /// One forward step of what was started. False: it is over, and its measures are published and recorded.
    bool step();

    Generation& generation() { return *m_generation; }
    std::shared_ptr<const ComparisonSnapshot> snapshot() const;
    ComparisonState state() const;

    // --- from any thread ---------------------------------------------------------------------------------------------
    // Settings act at the lane's next token, and in passes that start later. What makes no sense is told in
    // ComparedLane::error.
    void setLane(std::size_t index, const LaneSettings& settings);
    /// Starts with the run's prompt at the next step.
    void addLane(const LaneSettings& settings);
    /// Its rows stay recorded. The next lane becomes the baseline if it was the first.
    void removeLane(std::size_t index);
    /// Ends what is under way at the next token.
    void stop();
    RecorderStatus recorderStatus() const;
    /// Null before the run, and when nothing is recorded. Not for the recorder's own thread.
    std::shared_ptr<Recorder> recorder() const;
    /// Shows what went wrong with what was asked for.
    void fail(const ErrorParts& error);
    /// Number (index) of the compared lane that runs free as `lane`; −1: none does.
    std::int32_t indexOf(LaneId lane) const;

private:
    /// A turn as a lane runs it.
    struct Turn {
        LaneSettings settings;
        std::vector<TokenId> prompt;
        bool thinking = true;
    };
    /// A lane that waits until another one with the same prompt and policy has computed the prompt.
    struct Waiting {
        std::int32_t tag = -1;
        LaneId leader = -1;
        Turn turn;
    };

    bool mayThink(const LaneSettings& settings) const;
    Turn turnOf(const LaneSettings& settings) const;
    std::vector<std::string> notesFor(const LaneSettings& settings) const;
    /// As ComparedLane::prefill_chunk, for a prompt under this policy.
    std::int32_t chunkFor(const std::string& policy) const;
    ComparedLane seat(const LaneSettings& settings) const;
    std::int32_t freeTag() const;
    ComparedLane* seatOf(std::int32_t tag);
    void startLane(std::int32_t tag);
    void startTurn(std::int32_t tag, Turn turn);
    void startWaiting();
    void introduce(const LaneOrigin& origin);
    void takeRequests();
    void remove(std::int32_t tag);
    void dropForced();
    bool startNextAlone();
    void keepJudgements();
    void finish();
    void keepReaders();
    void countSpeed(double elapsed_ms, std::int64_t tokens);
    bool decoding() const;
    void publish();
    void lanesMeasured(std::vector<LaneSnapshot> lanes);

    const std::shared_ptr<LoadedModel> m_loaded;
    const ComparisonPrompt m_prompt;
    const Options m_options;
    std::shared_ptr<TraceRing> m_ring;
    TraceTee m_sinks;
    std::unique_ptr<Generation> m_generation;
    TraceRing::Reader m_recorder_reader;
    std::shared_ptr<Recorder> m_recorder;

    // Of the driving thread.
    std::vector<Waiting> m_waiting;
    std::map<std::int32_t, Turn> m_turns;   // by tag: the turn that a compared lane runs
    std::optional<ForcedPass> m_forced;     // the pass under way
    std::vector<std::int32_t> m_alone_due;  // tags of the lanes that are still to run alone
    bool m_run = false;                     // startRun() was called
    double m_decode_ms = 0.0;
    std::int64_t m_decode_steps = 0;
    std::int64_t m_decode_tokens = 0;
    std::uint64_t m_read_up_to = 0;  // ring position up to which the readers are known to be

    std::mutex m_publishing;     // so that snapshots come in their order; taken before m_mutex
    mutable std::mutex m_mutex;  // guards the following; only the driving thread changes which lanes there are
    ComparisonSnapshot m_draft;
    std::shared_ptr<const ComparisonSnapshot> m_published;
    ComparisonMeasures m_measures;
    std::vector<LaneSnapshot> m_measured;           // of all lanes, as the probes know them
    std::vector<std::function<void()>> m_requests;  // to be done by the driving thread between two steps
    std::atomic<bool> m_stopping = false;

    std::unique_ptr<ProbeThread> m_probes;  // last: its thread uses all of the above
};

}  // namespace mixoscope
