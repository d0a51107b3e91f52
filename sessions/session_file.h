// The .mixo file: SQLite, WAL, application_id 'MIXO', schema and migrations in one place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/error.h"
#include "engine/step_trace.h"
#include "probes/routing_history.h"
#include "sessions/comparison_snapshot.h"

namespace mixoscope {

/// What a session says about the model that it was recorded from.
struct SessionModel {
    std::string name;
    std::string directory;
    std::string config_json;
    std::string
        files_json;  // [{"path","bytes","hash"}], hash: fileHash() of engine/model_hash.h; older files have none
    TraceShape shape;
    std::vector<std::int32_t> moe_layers;
    bool weights_sum_to_one = true;
    std::int32_t experts_per_token = -1;  // what the policy `model` selects in a layer
};

/// The configuration in config_json; without figures where that cannot be read.
ModelConfig recordedConfig(const SessionModel& model);

/// Reading side: open, check, iterate. Opening never changes the file.
class SessionReader {
public:
    /// Throws Error: not a session, from a newer version, damaged, not readable. `cancelled`, if set, is asked every
    /// few rows on the thread that reads, and must not throw; once it says so, whatever is being read ends with an
    /// Error.
    explicit SessionReader(const std::filesystem::path& path, std::function<bool()> cancelled = {});
    ~SessionReader();

    SessionModel model() const;
    std::int64_t rowCount() const;
    std::int64_t eventCount() const;
    /// Records that the recorder could not keep up with.
    std::int64_t lostCount() const;
    std::string metadata(const std::string& key) const;
    /// Every record in the order in which the engine made it: the same StepTraces and LaneEvents as live.
    void replay(const std::function<void(const StepTrace&)>& row,
                const std::function<void(const LaneEvent&)>& event) const;
    /// The same for the records with serial numbers [first, end).
    void replay(std::int64_t first, std::int64_t end, const std::function<void(const StepTrace&)>& row,
                const std::function<void(const LaneEvent&)>& event) const;
    /// One more than the largest serial number of a record that is there now; 0: there is none.
    std::int64_t endSerial() const;
    /// The smallest serial number of a record that is not below `serial`; a larger one than any where there is none.
    std::int64_t firstSerialFrom(std::int64_t serial) const;
    /// Rows whose serial number is below `end`, counted.
    std::int64_t rowsBefore(std::int64_t end) const;
    std::string tokenBytes(TokenId id) const;
    /// Bytes of every token that occurs.
    std::map<TokenId, std::string> vocabulary() const;
    /// Settings at the start of each turn, as JSON (engine/settings_json.h); changes between are events.
    void turnSettings(const std::function<void(int turn, LaneId lane, const std::string& json)>& visit) const;
    /// Every lane that the session tells of; a file of version 1 tells of none: its one lane is the conversation.
    std::vector<LaneOrigin> lanes() const;
    /// What a teacher-forced lane made of the baseline's tokens, in order; empty for other lanes.
    std::vector<ForcedTokenMeasures> forcedTokens(LaneId lane) const;
    std::vector<AttributionSnapshot> attributions() const;
    /// (turn, Role, text, ThinkingMode) in order.
    void messages(const std::function<void(int turn, int role, const std::string& text, int mode)>& visit) const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
