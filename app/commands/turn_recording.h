// A turn of the command line on its way into a session file: trace ring and recorder, as the workbench has them.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "engine/chat_template.h"
#include "engine/generation.h"
#include "probes/trace_ring.h"
#include "sessions/loaded_model.h"
#include "sessions/recorded_conversation.h"
#include "sessions/recorder.h"

namespace mixoscope {

/// Throws Error when there is a file of this name: a session is never written over.
void refuseExisting(const std::filesystem::path& file);

class TurnRecording {
public:
    /// `file` must not exist yet. `slots`: experts a row that the traces hold. `title`: the session's, from its text.
    TurnRecording(std::shared_ptr<LoadedModel> loaded, const std::filesystem::path& file, std::int32_t slots,
                  const std::string& title);

    TraceSink& sink() { return *m_ring; }
    /// To be called when the turn has started, so that a refused turn leaves no file: its messages (none when it was
    /// started from ids) and settings.
    void begin(std::span<const Message> messages, const LaneSettings& settings, LaneId lane,
               const Generation& generation);
    /// The same for a turn that goes on from a recorded one, with everything that came before.
    void begin(const RecordedConversation& recorded, LaneId lane, const Generation& generation);
    /// Waits for the recorder when it is far behind: without a window nothing is gained by losing records.
    void keepUp();
    /// Adds the answer and commits everything. Throws Error when the recording failed.
    void close(const std::string& answer);

private:
    std::shared_ptr<TraceRing> m_ring;
    TraceRing::Reader m_reader;  // the recorder's, from before the turn
    TraceRing::Reader m_pace;    // reads along, only to know how much was written since the last flush
    RecordingOptions m_options;
    std::unique_ptr<Recorder> m_recorder;
    bool m_has_messages = false;
    ThinkingMode m_mode = ThinkingMode::kThink;
    int m_turn = 0;
};

}  // namespace mixoscope
