// A recorded conversation at one of its steps, in the form in which a live one goes on from there. The file is only
// read. For one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/chat_template.h"
#include "engine/generation.h"
#include "sessions/session_file.h"

namespace mixoscope {

class RecordedConversation {
public:
    struct Said {
        int turn = 0;
        Message message;
        ThinkingMode mode = ThinkingMode::kThink;
    };

    /// `step`: as PlaybackIndex counts them; < 0: the last one. `cancelled` as SessionReader's. Throws Error when the
    /// file cannot be read, has no such step, or has nothing there to go on from: a comparison, a recording that began
    /// after its conversation, tokens that were lost.
    RecordedConversation(const std::filesystem::path& file, std::int64_t step, std::function<bool()> cancelled = {});

    const std::filesystem::path& file() const { return m_file; }
    std::int64_t step() const { return m_step; }
    const SessionModel& model() const { return m_model; }
    std::string title() const { return m_reader.metadata("title"); }
    /// In force at the step.
    const LaneSettings& settings() const { return m_settings; }
    /// With which each turn so far began; the last one is the turn of the step.
    const std::vector<LaneSettings>& turnSettings() const { return m_turn_settings; }
    /// What was said before the answer of the step's turn; empty for a turn that began with token ids.
    const std::vector<Said>& said() const { return m_said; }
    std::vector<Message> messages() const;

    std::int32_t tokens() const { return static_cast<std::int32_t>(m_tokens.size()); }

    /// Throws Error when the model has other layers or experts than the recording, or does not know its tokens or
    /// policies.
    void checkFits(const Model& model) const;
    /// Whether something is left to generate in the turn under these settings, whatever ended it when it was recorded.
    bool goesOn(const LaneSettings& settings, std::int32_t context_tokens) const;
    /// Gives the sink the conversation's records up to the step as those of `lane`, bit for bit, and returns the turn
    /// with which a generation goes on. `goes_on`: an end of the turn is left out. `keep_up` is called after every
    /// record.
    RecordedTurn copyTo(TraceSink& sink, LaneId lane, const Model& model, bool goes_on,
                        const std::function<void()>& keep_up) const;

private:
    struct Row {
        std::int64_t serial = 0;
        Step step = 0;
    };
    void readWords(const std::filesystem::path& file);
    void readPlace(std::function<bool()> cancelled);
    void readRecords();
    [[noreturn]] void refuse(ErrorParts parts) const;

    std::filesystem::path m_file;
    std::int64_t m_step = 0;
    SessionReader m_reader;
    SessionModel m_model;
    LaneId m_lane = 0;
    LaneSettings m_settings;
    std::vector<LaneSettings> m_turn_settings;
    std::vector<Said> m_said;
    std::vector<TokenTrace> m_tokens;  // of the turn, with its whole prompt
    std::int32_t m_prompt_tokens = 0;
    StopReason m_ended = StopReason::kNone;
    std::int64_t m_end_serial = 0;
    std::vector<Row> m_rows;                           // (positions computed) of the turn's sequence
    std::vector<RecordedTurn::PolicyFrom> m_policies;  // of these rows
};

}  // namespace mixoscope
