// The writing side of a .mixo file, without a thread: what Recorder calls. Everything throws Error.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sessions/session_file.h"

namespace mixoscope {

class SessionWriter {
public:
    /// Creates the file, which must not exist yet, and its directory. `token_bytes` gives the bytes kept with each
    /// token id.
    SessionWriter(const std::filesystem::path& path, const SessionModel& model,
                  std::function<std::string(TokenId)> token_bytes);
    /// Leaves the file as last committed.
    ~SessionWriter();
    SessionWriter(const SessionWriter&) = delete;
    SessionWriter& operator=(const SessionWriter&) = delete;

    void setMetadata(const std::string& key, const std::string& value);
    void addRow(const StepTrace& trace);
    void addEvent(const LaneEvent& event);
    void addMessage(int turn, int role, std::string_view text, int mode);
    void addTurnSettings(int turn, LaneId lane, std::string_view json);
    void addLane(const LaneOrigin& origin);
    void addForcedTokens(LaneId lane, std::span<const ForcedTokenMeasures> tokens);
    void addAttribution(const AttributionSnapshot& attribution);
    void setLost(std::int64_t lost);

    /// Something was added since the last commit.
    bool dirty() const;
    void commit();
    /// Commits and folds the write-ahead log into the file, so that the file stands alone.
    void finish();

    std::int64_t committedRows() const;
    std::int64_t fileBytes() const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
