// Routing policies: one row's router distribution → experts and weights. A policy is written as text, the same in
// window, command line and session file: NAME[:key=value,…]. This version knows `model` and `top-k:k=N`.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"
#include "kernels/router.h"

namespace mixoscope {

enum class ParameterType : std::uint8_t { kInteger, kNumber, kBoolean, kText };

/// One parameter, as the window and the command line describe it.
struct ParameterSpec {
    std::string key;
    ParameterType type = ParameterType::kInteger;
    double minimum = 0.0;
    double maximum = 0.0;
    std::string default_value;
    std::string help;
};

struct PolicySpec {
    std::string name;
    std::string help;
    std::vector<ParameterSpec> parameters;
};

class RoutingPolicy {
public:
    virtual ~RoutingPolicy() = default;
    /// The policy's text in its normal form; parsePolicy(text()) gives an equal policy.
    virtual std::string text() const = 0;
    /// Largest number of experts that a row can get.
    virtual int maxSlots() const = 0;
    /// Chooses for one row of MoE layer `layer` (trace index). ids and weights have maxSlots() places or more; unused:
    /// −1, 0.
    virtual kernels::SelectionFacts select(int layer, std::span<const float> probabilities, std::span<std::int32_t> ids,
                                           std::span<float> weights) const = 0;
};

/// Policies that exist, for the model given (ranges depend on it).
std::vector<PolicySpec> policySpecs(const ModelConfig& config);

/// Throws Error naming the key when the text is no policy of this model.
std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const ModelConfig& config);

}  // namespace mixoscope
