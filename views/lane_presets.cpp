#include "views/lane_presets.h"

#include <array>

#include "engine/error.h"
#include "engine/routing_policy.h"

namespace mixoscope {
namespace {

constexpr std::array<const char*, 8> kPolicies = {"model",       "top-k:k=1",     "any-experts", "random",
                                                  "top-p:p=0.7", "skip:beta=0.5", "hash",        "round-robin"};

bool isPolicy(const char* text, const ModelConfig& config) {
    try {
        parsePolicy(text, config);
        return true;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace

LaneSettings presetLane(std::size_t index, const ModelConfig& config) {
    LaneSettings settings;
    settings.sampling.greedy = true;
    const char* policy = kPolicies[index % kPolicies.size()];
    if (isPolicy(policy, config)) settings.policy = policy;
    return settings;
}

}  // namespace mixoscope
