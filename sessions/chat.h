// One conversation with a loaded model: its lane, its messages, its trace ring with the probes and the recorder that
// read it. Used by the engine thread only, but for the requests.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "probes/snapshot.h"
#include "probes/trace_ring.h"
#include "sessions/loaded_model.h"
#include "sessions/probe_thread.h"
#include "sessions/recorder.h"
#include "sessions/turn_plan.h"

namespace mixoscope {

class RecordedConversation;

/// Keeps tokens and timings of the records and leaves the routing out.
class TokenSink : public TraceSink {
public:
    explicit TokenSink(TraceSink& next) : m_next(next) {}
    void onRow(const StepTrace& trace) override;
    void onEvent(const LaneEvent& event) override { m_next.onEvent(event); }
    void onStepEnd(Step step) override { m_next.onStepEnd(step); }

private:
    TraceSink& m_next;
};

class Chat {
public:
    struct Options {
        bool probes = true;
        std::int32_t slots = 0;  // experts per row that traces can hold
        std::function<void(std::vector<LaneSnapshot>)> publish;
    };
    /// Throws Error when the caches do not fit into memory.
    Chat(std::shared_ptr<LoadedModel> loaded, const Options& options, const LaneSettings& settings);

    Generation& generation() { return *m_generation; }
    LaneId lane() const { return m_lane; }
    int turns() const { return m_turns; }
    TraceShape shape() const { return m_generation->traceShape(); }
    const std::vector<Message>& messages() const { return m_messages; }

    TurnPlan plan(const std::string& system_prompt, const std::string& user_text, const LaneSettings& settings) const;

    /// Starts the turn. Throws Error (prompt too long, no such policy …), and then the conversation is as before.
    /// `keep_reader`: a recorder may be made that sees the turn from its first record on.
    void startTurn(const TurnPlan& plan, bool keep_reader);
    /// Becomes the recorded conversation, in place of the first turn: everything that was recorded of it is shown, and
    /// given to `recorder` (may be null), as if it had been computed here, and its last turn goes on, unless it was
    /// over. Throws Error.
    void resume(const RecordedConversation& recorded, Recorder* recorder);
    /// Goes on from a token of the last turn as another lane: startTurn() ends what can be forked. Throws Error.
    LaneOrigin fork(const ForkRequest& request);
    /// Waits until everything computed so far is published.
    void catchUp();
    /// Takes the turn's answer into the conversation, once the generation has nothing left to do. Returns its text as
    /// the next prompt will carry it.
    std::string finishTurn();

    /// A recorder of this conversation from the turn under way on; `options` lacks only what the chat knows itself.
    std::shared_ptr<Recorder> record(RecordingOptions options);

private:
    std::shared_ptr<LoadedModel> m_loaded;
    std::shared_ptr<TraceRing> m_ring;
    std::unique_ptr<TokenSink> m_token_sink;  // without probes
    std::unique_ptr<Generation> m_generation;
    std::unique_ptr<ProbeThread> m_probes;
    std::optional<TraceRing::Reader> m_turn_reader;  // stands before the first record of the turn under way
    std::vector<Message> m_messages;
    LaneId m_lane = 0;
    std::vector<LaneId> m_forks;  // of the last turn
    std::size_t m_prompt_tokens = 0;
    int m_turns = 0;
};

}  // namespace mixoscope
