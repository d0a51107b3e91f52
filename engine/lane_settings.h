// What a user may set for a lane; everything but the prompt-time `mode` takes effect at the next token.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace mixoscope {

enum class ThinkingMode : std::uint8_t { kThink, kNoThink, kAuto };

/// Tokens allowed strictly between <think> and </think>.
constexpr std::int32_t kUnlimitedBudget = std::numeric_limits<std::int32_t>::max();

struct SamplingSettings {
    bool greedy = false;
    float temperature = 0.6F;
    float top_p = 0.95F;
    std::int32_t top_k = 20;  // 0: off
    float min_p = 0.0F;
    float presence_penalty = 0.0F;
    float repetition_penalty = 1.0F;
    std::uint64_t seed = 0;

    bool operator==(const SamplingSettings&) const = default;
};

/// How a block that has used up its budget is closed (Qwen3 report, arXiv 2505.09388, thinking budget).
struct EarlyStop {
    std::string text =
        "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now."
        "\n</think>\n\n";
    /// Soft close: from N ≥ B on, close at the first step where </think> is among the `soft_rank` likeliest tokens;
    /// force at N ≥ B + soft_extra. 0 ranks: off.
    std::int32_t soft_rank = 0;
    std::int32_t soft_extra = 0;

    bool operator==(const EarlyStop&) const = default;
};

struct LaneSettings {
    ThinkingMode mode = ThinkingMode::kThink;
    std::int32_t budget = kUnlimitedBudget;
    std::string policy = "model";
    SamplingSettings sampling;
    EarlyStop early_stop;
    std::int32_t max_tokens = 0;  // generated and injected tokens of a turn; 0: as many as the context holds
    bool ignore_eos = false;

    bool operator==(const LaneSettings&) const = default;
};

}  // namespace mixoscope
