// Sizes of everything that will be allocated, computed before it is, and told to people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/activations.h"
#include "engine/config.h"
#include "engine/step_trace.h"

namespace mixoscope {

/// Bytes that this process may still take without swapping: what the system has available, or what is left of the
/// memory limit that it runs under. 0: not known.
std::int64_t availableMemoryBytes();

/// What decides the sizes.
struct MemoryRequest {
    std::int64_t weight_bytes = 0;  // of the mapped or generated weights
    std::int64_t kv_pages = 0;
    ForwardLimits forward = {};
    TraceShape trace = {};  // of the routing record; moe_layers 0: none
};

struct MemoryItem {
    enum class Lifetime : std::uint8_t {
        kModel,       // as long as the model is open; mapped weights can be dropped and read again
        kGeneration,  // as long as the lanes live
    };
    std::string name;
    std::int64_t bytes = 0;
    Lifetime lifetime = Lifetime::kGeneration;
};

struct MemoryPlan {
    std::vector<MemoryItem> items;

    std::int64_t totalBytes() const;
    /// Without the weights: what must really fit into free memory.
    std::int64_t allocatedBytes() const;
    /// A table for people, one line an item and the total.
    std::string text() const;
    /// Throws Error, with the plan's largest items, when more would be allocated than is available (0: not known).
    void requireFits(std::int64_t available_bytes) const;
};

MemoryPlan planMemory(const ModelConfig& config, const MemoryRequest& request);

/// Bytes as people write them: "12.5 MiB".
std::string describeBytes(std::int64_t bytes);

}  // namespace mixoscope
