// The thread that brings a conversation's records from the trace ring into a .mixo file. A failure stops the recording
// with its reason, never the chat; what was committed before stays as it is.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "probes/trace_ring.h"
#include "sessions/session_file.h"
#include "sessions/workbench.h"

namespace mixoscope {

struct RecordingOptions {
    std::filesystem::path file;  // must not exist yet
    SessionModel model;
    std::map<std::string, std::string> metadata;  // "title", "created_utc", …
    std::function<std::string(TokenId)> token_bytes;
    std::vector<std::int64_t> expert_bytes = {};  // (MoE layers) of one expert, for what lanes read; empty: unknown
    std::function<void()> status_changed;         // called on the recorder's thread
};

class Recorder {
public:
    /// Records what `reader` has not read yet and everything after it. Creating the file happens on the recorder's
    /// thread.
    Recorder(RecordingOptions options, std::shared_ptr<TraceRing> ring, TraceRing::Reader reader);
    /// Commits everything that was written to the ring before, and closes the file.
    ~Recorder();
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    void addMessage(int turn, Role role, std::string text, ThinkingMode mode);
    void addTurnSettings(int turn, LaneId lane, const LaneSettings& settings);
    void setMetadata(const std::string& key, const std::string& value);
    void addLane(const LaneOrigin& origin);
    void addForcedTokens(LaneId lane, std::vector<ForcedTokenMeasures> tokens);
    void addAttribution(std::shared_ptr<const AttributionSnapshot> attribution);
    /// Waits until everything that was given to the ring or to this object before is committed; false: recording
    /// failed.
    bool flush();
    RecorderStatus status() const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
