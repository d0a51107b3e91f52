#include "sessions/prompt_chunks.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/routing_policy.h"

namespace mixoscope {

bool dependsOnChunks(const std::string& policy, const ModelConfig& config) {
    const auto looks_at_step = [&](const PolicyPart& part) {
        try {
            return parsePolicy(joinPolicy({part}), config)->dependsOnStep();
        } catch (const Error&) {
            return false;
        }
    };
    try {
        return std::ranges::any_of(splitPolicy(policy), looks_at_step);
    } catch (const Error&) {
        return false;
    }
}

std::string chunkNote(std::int32_t tokens) {
    return "routing depends on prompt pieces of " + std::to_string(tokens) + " tokens";
}

}  // namespace mixoscope
