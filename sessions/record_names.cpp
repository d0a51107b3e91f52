#include "sessions/record_names.h"

#include "engine/chat_template.h"

namespace mixoscope {

std::string_view phaseKey(Phase phase) {
    switch (phase) {
        case Phase::kPrompt:
            return "prompt";
        case Phase::kThinking:
            return "thinking";
        case Phase::kAnswer:
            return "answer";
    }
    return {};
}

std::string modeName(std::int64_t mode) {
    switch (static_cast<ThinkingMode>(mode)) {
        case ThinkingMode::kThink:
            return "think";
        case ThinkingMode::kNoThink:
            return "no_think";
        case ThinkingMode::kAuto:
            return "auto";
    }
    return std::to_string(mode);
}

std::string roleName(int role) {
    switch (static_cast<Role>(role)) {
        case Role::kSystem:
            return "system";
        case Role::kUser:
            return "user";
        case Role::kAssistant:
            return "assistant";
    }
    return std::to_string(role);
}

std::string budgetText(std::int64_t budget) {
    return budget == kUnlimitedBudget ? "unlimited" : std::to_string(budget);
}

const char* stopReasonName(StopReason reason) {
    switch (reason) {
        case StopReason::kNone:
            return "none";
        case StopReason::kEndOfTurn:
            return "end_of_turn";
        case StopReason::kMaxTokens:
            return "max_tokens";
        case StopReason::kContextFull:
            return "context_full";
        case StopReason::kStopped:
            return "stopped";
        case StopReason::kError:
            return "error";
        case StopReason::kForcedEnd:
            return "forced_end";
    }
    return "?";
}

const char* laneRoleName(LaneRole role) {
    switch (role) {
        case LaneRole::kChat:
            return "chat";
        case LaneRole::kCompared:
            return "compared";
        case LaneRole::kForced:
            return "forced";
        case LaneRole::kAlone:
            return "alone";
        case LaneRole::kFork:
            return "fork";
    }
    return "?";
}

}  // namespace mixoscope
