#include "sessions/perfetto_export.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "engine/tokenizer.h"
#include "sessions/output_file.h"
#include "sessions/record_names.h"
#include "sessions/session_file.h"

namespace mixoscope {

namespace {

constexpr int kProcess = 1;
constexpr std::int64_t kStepTrack = 1;
constexpr std::int64_t kTracksOfALane = 2;  // turns, tokens

std::int64_t turnTrack(LaneId lane) {
    return kStepTrack + 1 + lane * kTracksOfALane;
}
std::int64_t tokenTrack(LaneId lane) {
    return turnTrack(lane) + 1;
}

const char* eventName(LaneEventKind kind) {
    switch (kind) {
        case LaneEventKind::kBudgetChanged:
            return "budget";
        case LaneEventKind::kModeChanged:
            return "mode";
        case LaneEventKind::kPolicyChanged:
            return "policy";
        case LaneEventKind::kSamplingChanged:
            return "sampling";
        case LaneEventKind::kEarlyStopChanged:
            return "early_stop";
        case LaneEventKind::kMaxTokensChanged:
            return "max_tokens";
        case LaneEventKind::kIgnoreEosChanged:
            return "ignore_eos";
        case LaneEventKind::kAnswerNow:
            return "answer_now";
        case LaneEventKind::kBudgetReached:
            return "budget_reached";
        case LaneEventKind::kStopped:
            return "stopped";
        case LaneEventKind::kForked:
            return "forked";
        case LaneEventKind::kTurnStarted:
        case LaneEventKind::kFinished:
            break;
    }
    return nullptr;
}

class TraceWriter {
public:
    TraceWriter(const SessionReader& reader, OutputFile& file)
        : m_vocabulary(reader.vocabulary()), m_file(file.stream()) {
        m_file << R"({"displayTimeUnit":"ms","traceEvents":[)";
        write({{"ph", "M"}, {"name", "process_name"}, {"args", {{"name", reader.model().name}}}});
        nameTrack(kStepTrack, "steps");
    }

    void add(const StepTrace& trace) {
        if (trace.step != m_step.number) closeStep();
        if (m_step.rows == 0)
            m_step = {.number = trace.step,
                      .begin_us = trace.step_end_us - trace.step_us,
                      .length_us = trace.step_us,
                      .phase = trace.token.phase};
        ++m_step.rows;
        Lane& lane = laneOf(trace.lane);
        if (trace.next.id >= 0) {
            addToken(trace, lane);
            lane.last_us = trace.step_end_us;
        }
    }

    void add(const LaneEvent& event) {
        Lane& lane = laneOf(event.lane);
        if (event.kind == LaneEventKind::kTurnStarted) {
            lane.turn_us = event.time_us;
            lane.last_us = event.time_us;
            lane.prompt_tokens = event.value;
        } else if (event.kind == LaneEventKind::kFinished) {
            finishTurn(event, lane);
        } else {
            write({{"ph", "i"},
                   {"s", "t"},
                   {"name", eventName(event.kind)},
                   {"tid", turnTrack(event.lane)},
                   {"ts", event.time_us},
                   {"args",
                    {{"position", event.position},
                     {"old", event.old_value},
                     {"new", event.value},
                     {"text", validUtf8(event.text)}}}});
        }
    }

    void close() {
        closeStep();
        m_file << "\n]}\n";
    }

private:
    struct StepFacts {
        Step number = -1;
        std::int64_t begin_us = 0;
        std::int64_t length_us = 0;
        Phase phase = Phase::kPrompt;
        int rows = 0;
    };
    struct Lane {
        std::int64_t turn_us = -1;
        std::optional<std::int64_t> last_us;  // of the newest token, or of the turn's start
        std::int64_t prompt_tokens = 0;
        int turn = 0;
    };

    void write(nlohmann::json event) {
        event["pid"] = kProcess;
        m_file << (std::exchange(m_first, false) ? "\n" : ",\n")
               << event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }

    void nameTrack(std::int64_t track, const std::string& name) {
        write({{"ph", "M"}, {"name", "thread_name"}, {"tid", track}, {"args", {{"name", name}}}});
    }

    Lane& laneOf(LaneId id) {
        const auto [lane, is_new] = m_lanes.try_emplace(id);
        if (is_new) {
            nameTrack(turnTrack(id), "lane " + std::to_string(id) + ", turns");
            nameTrack(tokenTrack(id), "lane " + std::to_string(id) + ", tokens");
        }
        return lane->second;
    }

    void closeStep() {
        if (m_step.rows == 0) return;
        write({{"ph", "X"},
               {"name", m_step.phase == Phase::kPrompt ? "prompt" : "decode"},
               {"tid", kStepTrack},
               {"ts", m_step.begin_us},
               {"dur", m_step.length_us},
               {"args", {{"step", m_step.number}, {"rows", m_step.rows}}}});
        m_step.rows = 0;
    }

    void addToken(const StepTrace& trace, const Lane& lane) {
        const TokenTrace& token = trace.next;
        const auto bytes = m_vocabulary.find(token.id);
        nlohmann::json facts = {{"position", token.position},
                                {"id", token.id},
                                {"phase", phaseKey(token.phase)},
                                {"injected", (token.flags & token_flag::kInjected) != 0},
                                {"step", trace.step}};
        if (!std::isnan(token.logprob)) facts["logprob"] = token.logprob;
        // Of a turn that began before the recording did only its step is known.
        const std::int64_t since_us = lane.last_us.value_or(trace.step_end_us - trace.step_us);
        write({{"ph", "X"},
               {"name", bytes == m_vocabulary.end() ? std::string() : validUtf8(bytes->second)},
               {"cat", phaseKey(token.phase)},
               {"tid", tokenTrack(trace.lane)},
               {"ts", since_us},
               {"dur", trace.step_end_us - since_us},
               {"args", std::move(facts)}});
        if (token.phase != Phase::kThinking) return;
        nlohmann::json counters = {{"N", token.thinking_tokens}};
        if (token.budget != kUnlimitedBudget) counters["B"] = token.budget;
        write({{"ph", "C"},
               {"name", "lane " + std::to_string(trace.lane) + ", thinking tokens"},
               {"ts", trace.step_end_us},
               {"args", std::move(counters)}});
    }

    void finishTurn(const LaneEvent& event, Lane& lane) {
        if (lane.turn_us < 0) return;  // a recording that began later
        write({{"ph", "X"},
               {"name", "turn " + std::to_string(lane.turn++)},
               {"tid", turnTrack(event.lane)},
               {"ts", lane.turn_us},
               {"dur", event.time_us - lane.turn_us},
               {"args",
                {{"prompt_tokens", lane.prompt_tokens},
                 {"stop_reason", stopReasonName(static_cast<StopReason>(event.value))}}}});
        lane.turn_us = -1;
    }

    const std::map<TokenId, std::string> m_vocabulary;
    std::ofstream& m_file;
    bool m_first = true;
    StepFacts m_step;
    std::map<LaneId, Lane> m_lanes;
};

}  // namespace

void exportPerfetto(const std::filesystem::path& session, const std::filesystem::path& out) {
    const SessionReader reader(session);
    if (const std::string engine = reader.metadata("imported_from"); !engine.empty())
        throw Error({.what = "This session has no timing to export",
                     .where = session.string(),
                     .expected = "a session recorded by Mixoscope",
                     .found = "routing imported from " + engine});
    OutputFile file(out, session);
    TraceWriter trace(reader, file);
    reader.replay([&](const StepTrace& row) { trace.add(row); }, [&](const LaneEvent& event) { trace.add(event); });
    trace.close();
    file.commit();
}

}  // namespace mixoscope
