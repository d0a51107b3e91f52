// The model as views see it: facts only, and its policies checked against them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat_template.h"
#include "engine/config.h"

namespace mixoscope {

class RoutingPolicy;

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
    std::string hash;  // modelHash(); empty: not known, the model is known by a recording only
};

/// As parsePolicy() of the model itself, a calibration of another model included; where the hash is not known, of its
/// configuration.
std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const ModelFacts& model);

}  // namespace mixoscope
