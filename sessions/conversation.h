// The conversation that a workbench has: its chat with the model, the settings asked for, the recorder and the forks.
// Of the functions, those marked are for the engine thread, the others for any.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "sessions/chat.h"
#include "sessions/command_queue.h"
#include "sessions/forked_turns.h"
#include "sessions/workbench.h"

namespace mixoscope {

class Conversation {
public:
    /// Changes the workbench's snapshot and publishes it; called without a lock of the conversation's.
    using Publish = std::function<void(const std::function<void(WorkbenchSnapshot&)>& change)>;
    /// `queue` says between two tokens whether to go on. Both arguments' objects outlive it.
    Conversation(const WorkbenchOptions& options, CommandQueue& queue, Publish publish);

    std::optional<ErrorParts> setSettings(LaneSettings wanted);
    LaneSettings settings() const;
    void setSystemPrompt(std::string text);
    void setRecording(bool on);
    bool wantsRecording() const;
    /// Ends the turn under way at its next token.
    void requestStop();
    void answerNow();
    /// Null while nothing is recorded. Not for the recorder's own thread.
    std::shared_ptr<Recorder> recorder() const;
    /// Fills what the snapshot says of settings and recorder, as they are now.
    void describe(WorkbenchSnapshot& snapshot) const;
    /// Leaves nothing of a conversation in the snapshot.
    static void clear(WorkbenchSnapshot& snapshot);

    // --- engine thread -----------------------------------------------------------------------------------------------
    /// Puts a model that was loaded in the place of the one before, with an empty chat; until here that one stays as it
    /// was. Throws Error.
    void adopt(const std::shared_ptr<LoadedModel>& model);
    /// Null before the first adopt().
    std::shared_ptr<LoadedModel> loaded() const;
    /// Null without a conversation.
    Chat* chat() { return m_chat.get(); }
    /// Begins again with an empty chat; the next turn is recorded into a new file.
    void restart();
    /// A turn with the current settings; its errors are the snapshot's turn_error.
    void send(const std::string& text);
    /// A new conversation that goes on from the recorded one, which loaded() fits. `begun` is called once its settings
    /// are in force; before, this throws Error, then errors are the snapshot's turn_error. `stop_there`: its turn ends
    /// at once.
    void resume(const RecordedConversation& recorded, bool stop_there, const std::function<void()>& begun);
    /// Goes on from a token of the last turn; errors are the snapshot's fork_error.
    void fork(const ForkRequest& request);
    /// Closes the file if recording was switched off.
    void checkRecording();
    void close();

private:
    std::unique_ptr<Chat> makeChat(const std::shared_ptr<LoadedModel>& model, const LaneSettings& settings,
                                   std::shared_ptr<ForkedTurns>& forked, std::int32_t slots = 0) const;
    LaneSettings initialSettings(const LoadedModel& model) const;
    LaneSettings fittingTheChat(LaneSettings wanted);
    void followMode(LaneSettings& wanted) const;
    void leaveRoom(std::int32_t slots);
    void setLive(Generation* generation, LaneId lane);
    void runTurn(const std::string& text);
    void adoptRecorded(const RecordedConversation& recorded);
    void resumeTurn(const RecordedConversation& recorded, bool stop_there);
    /// `work`, and what became of it.
    void underWay(const std::function<void()>& work);
    /// Generates what is left of the turn that has been started and takes it into the conversation.
    void completeTurn(int turn, ThinkingMode mode);
    void requestIfChanged(const LaneSettings& planned);
    void generate(LaneId lane);
    LaneOrigin originOfChat() const;
    void recordTurn(const TurnPlan& plan, int turn);
    void recordResumed(const RecordedConversation& recorded);
    /// `question`: that a new file is named after.
    std::shared_ptr<Recorder> startRecording(const std::string& question, std::map<std::string, std::string> metadata);
    void closeRecorder();

    const WorkbenchOptions& m_options;
    CommandQueue& m_queue;
    const Publish m_publish;
    std::atomic<double> m_probes_cost{-1.0};

    mutable std::mutex m_mutex;  // guards the following, down to m_loaded
    bool m_recording;
    LaneSettings m_settings;  // as requested last
    std::string m_system_prompt;
    std::optional<std::string> m_recorded_system;  // of a recording that is gone on with, until another one is set
    Generation* m_live = nullptr;                  // while a turn is under way
    LaneId m_live_lane = 0;
    std::shared_ptr<Recorder> m_recorder;
    std::int32_t m_chat_slots = 0;  // selections a row that the chat's records hold; 0: none has begun
    std::string m_chat_policy;      // the last one that fitted the chat
    std::optional<ErrorParts> m_policy_waits;
    std::shared_ptr<LoadedModel> m_loaded;  // changed by the engine thread only, which may read it without the lock

    // Of the engine thread alone.
    std::unique_ptr<Chat> m_chat;
    std::shared_ptr<ForkedTurns> m_forked;  // of the chat
    bool m_session_file_used = false;
};

}  // namespace mixoscope
