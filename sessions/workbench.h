// What window and command line both drive: owns the model, the engine thread, the trace ring, the aggregates and the
// recorder. All functions may be called from any one thread (the GUI's); none waits for the engine or the database
// except close().
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat_template.h"
#include "engine/config.h"
#include "engine/error.h"
#include "probes/snapshot.h"
#include "sessions/lane_origin.h"

namespace mixoscope {

// Of sessions/comparison_snapshot.h:
struct AttributionSnapshot;
struct ComparisonSnapshot;
struct ForkRequest;
// Of sessions/playback.h:
struct Playback;

/// The model as views see it: facts only.
struct ModelFacts {
    std::string name;
    std::string directory;
    std::string description;  // "4 layers × 32 experts, top-4, BF16"
    std::string backend;
    std::string imported_from;  // the engine whose routing was imported; empty: our own recorded it
    ModelConfig config;
    ThinkingSupport thinking_support = ThinkingSupport::kHybrid;
    std::vector<std::int32_t> moe_layers;  // model layer of each trace layer
    std::int32_t context_tokens = 0;
    std::int64_t weight_bytes = 0;
};

enum class WorkbenchState : std::uint8_t {
    kNoModel,
    kLoading,
    kReady,
    kGenerating,   // a turn of the conversation, or a fork of it
    kComparing,    // a run or a pass of the comparison
    kAttributing,  // attribute()
};

struct RecorderStatus {
    enum class State : std::uint8_t { kOff, kWaiting, kRecording, kFailed };
    State state = State::kOff;
    std::filesystem::path file;
    std::int64_t bytes = 0;
    std::int64_t committed_rows = 0;
    std::int64_t lost = 0;
    double commit_age_s = 0.0;        // since the last commit
    std::optional<ErrorParts> error;  // why recording stopped; the chat goes on
};

/// One message of the conversation on screen. An assistant's text is made from its tokens, so that it is exactly what
/// was recorded; its tokens are in lanes[0].historyOfTurn(turn) from lanes[0].turns[turn].first_generated_position on.
struct ConversationEntry {
    Role role = Role::kUser;
    std::string text;       // user and system: as written; assistant: the answer so far
    std::string thinking;   // assistant: inside its think block so far
    std::int32_t turn = 0;  // index into LaneSnapshot::turns
    ThinkingMode mode = ThinkingMode::kThink;
};

/// A turn of the conversation beside its forks: lane A is the turn itself, the others go on from tokens of it or of
/// each other (origin.parent, origin.position). What compares with the baseline compares with the turn.
struct ForkedTurn {
    std::int32_t turn = 0;  // index into LaneSnapshot::turns of the conversation
    std::shared_ptr<const ComparisonSnapshot> lanes;
};

struct WorkbenchSnapshot {
    std::uint64_t serial = 0;  // changes with every publication
    WorkbenchState state = WorkbenchState::kNoModel;
    bool recorded = false;                     // read from a session file: nothing runs, nothing can be changed
    std::shared_ptr<const Playback> playback;  // of a recording whose cursor can be moved; null: none
    std::shared_ptr<const ModelFacts> model;   // null: none
    std::vector<std::string> log;              // of the last load, a line a step
    std::optional<ErrorParts> load_error;      // of the last openModel
    std::optional<ErrorParts> turn_error;      // of the last send (prompt too long …)
    std::optional<ErrorParts> policy_waits;    // why the policy asked for acts in the next conversation only
    std::vector<ConversationEntry> conversation;
    LaneSettings settings;                                   // as requested last; those of a lane are the ones in force
    std::vector<LaneSnapshot> lanes;                         // the first one is the chat, the others are its forks
    std::vector<LaneOrigin> origins;                         // (lanes) the tree of forks
    std::vector<ForkedTurn> forks;                           // turns that were forked with their forks, oldest first
    std::optional<ErrorParts> fork_error;                    // of the last fork, of either
    std::int64_t forks_asked = 0;                            // forks that were begun or refused so far
    std::shared_ptr<const ComparisonSnapshot> comparison;    // null before lanes are set
    std::shared_ptr<const AttributionSnapshot> attribution;  // of the last attribute(); null: none
    std::int32_t context_used = 0;
    double probes_cost = -1.0;  // share of the step time spent in the sink, < 0 unknown
    RecorderStatus recorder;
    RecorderStatus comparison_recorder;  // of the last run of the comparison
};

struct WorkbenchOptions {
    std::filesystem::path demo_directory;
    std::filesystem::path session_directory;  // new sessions are written here, created on the first message
    std::filesystem::path session_file;       // if set, the first session is written here; it must not exist yet
    bool record = true;
    std::string backend = "cpu";  // or "cuda" or "reference"
    int device = 0;               // of the back end cuda
    int threads = 0;              // 0: all cores that this process may use
    bool probes = true;
};

/// A session file as the session list shows it.
struct SessionInfo {
    std::filesystem::path path;
    std::string title;  // first user message, cut
    std::string model;
    std::int64_t tokens = 0;
    std::int64_t bytes = 0;
    std::int64_t modified_s = 0;      // Unix time
    std::optional<ErrorParts> error;  // unreadable files are listed with the reason
};

class Workbench {
public:
    explicit Workbench(WorkbenchOptions options);
    ~Workbench();  // stops the engine, joins, closes the session file
    Workbench(const Workbench&) = delete;
    Workbench& operator=(const Workbench&) = delete;

    /// Called (on any thread) when a new snapshot is there; at most once until snapshot() is called again.
    void setWake(std::function<void()> wake);
    std::shared_ptr<const WorkbenchSnapshot> snapshot() const;

    // Commands; each returns at once, its effect shows in a later snapshot.
    void openModel(std::string model);  // "demo", a directory, "random:NAME"
    void send(std::string user_text);   // a turn of the conversation with the current settings
    void setSystemPrompt(std::string text);
    /// At the next token; mode at the next turn; a policy that chooses more experts than this conversation's records
    /// have room for in the next conversation. Settings that make no sense are refused whole: returns why, and it is
    /// the snapshot's turn_error too.
    std::optional<ErrorParts> setSettings(const LaneSettings& settings);
    LaneSettings settings() const;
    void answerNow();
    void stop();
    void newConversation();  // a new session file with the next message
    void setRecording(bool on);
    /// Slow motion, to watch: at most this many tokens a second; 0: no limit. Acts at once, also on a wait under way.
    void setDecodePace(double tokens_per_s);
    double decodePace() const;

    // --- comparison: two to eight lanes over one prompt, each with settings of its own, in one batch ----------------
    // Its state is WorkbenchSnapshot::comparison. Lanes are named by their index there; the first is the baseline.
    // While a run is under way settings act at the next token, as in the conversation, and a lane that is added starts
    // with the run's prompt. Settings that make no sense leave the lane as it was, with ComparedLane::error.
    void setComparisonLanes(std::vector<LaneSettings> lanes);  // all anew; ends a run and drops its results
    void setComparisonLane(std::size_t index, const LaneSettings& settings);
    void addComparisonLane(const LaneSettings& settings);
    void removeComparisonLane(std::size_t index);
    /// Lets all lanes run free from these messages (the first may be the system's), each with its own mode. Recorded
    /// into a session file of its own. `then_forced`: and then measureForced(), if the run was not stopped.
    void runComparison(std::vector<Message> messages, bool then_forced);
    /// Feeds the tokens of the baseline's last run to all lanes, each under its own policy, and measures.
    void measureForced();
    /// Runs each lane's turn once more without the others, for its speed alone.
    void measureAlone();

    // --- what-if -----------------------------------------------------------------------------------------------------
    /// Continues a lane of the conversation (or of the last comparison) from a token as a new lane that shares what was
    /// computed before it.
    void forkChat(const ForkRequest& request);
    void forkComparison(const ForkRequest& request);
    /// Ids of a text, special tokens in it recognised; none without a tokenizer.
    std::vector<TokenId> tokensOf(std::string_view text) const;
    /// Measures what each expert did for a generated token of the last turn; stop() cancels, what was measured stays.
    void attributeChat(LaneId lane, std::int32_t position);
    void attributeComparison(LaneId lane, std::int32_t position);

    /// Waits until the turn under way has ended or `timeout_ms` passed (< 0: no limit); for scripts. True: idle.
    bool waitIdle(int timeout_ms = -1);
    /// Waits until everything recorded so far is committed; false: the recorder failed.
    bool flush();

    /// Sessions in the session directory, newest first.
    std::vector<SessionInfo> sessions() const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
