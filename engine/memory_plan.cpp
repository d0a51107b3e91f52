#include "engine/memory_plan.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <optional>
#include <sstream>

#include "engine/error.h"
#include "engine/kv_cache.h"

namespace mixoscope {

namespace {

std::optional<std::int64_t> readNumber(const char* path) {
    std::ifstream file(path);
    std::int64_t number = 0;
    if (file >> number) return number;
    return std::nullopt;  // absent, or the word "max"
}

/// MemAvailable of /proc/meminfo, which the kernel gives in KiB.
std::optional<std::int64_t> systemAvailable() {
    std::ifstream file("/proc/meminfo");
    std::string key;
    std::int64_t kib = 0;
    std::string unit;
    while (file >> key >> kib) {
        std::getline(file, unit);
        if (key == "MemAvailable:") return kib * 1024;
    }
    return std::nullopt;
}

/// What is left of the control group's limit (cgroup v2, then v1).
std::optional<std::int64_t> groupAvailable() {
    constexpr std::array kFiles = {
        std::pair{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
        std::pair{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};
    for (const auto& [limit_file, used_file] : kFiles) {
        const auto limit = readNumber(limit_file);
        const auto used = readNumber(used_file);
        if (limit && used) return std::max<std::int64_t>(*limit - *used, 1);
    }
    return std::nullopt;
}

}  // namespace

std::int64_t availableMemoryBytes() {
    const auto system = systemAvailable();
    const auto group = groupAvailable();
    if (system && group) return std::min(*system, *group);
    return system.value_or(group.value_or(0));
}

std::string describeBytes(std::int64_t bytes) {
    constexpr std::array kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024.0 && unit + 1 < kUnits.size()) {
        value /= 1024.0;
        ++unit;
    }
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
    return text.data();
}

std::int64_t MemoryPlan::totalBytes() const {
    return std::accumulate(items.begin(), items.end(), std::int64_t{0},
                           [](std::int64_t sum, const MemoryItem& item) { return sum + item.bytes; });
}

std::int64_t MemoryPlan::allocatedBytes() const {
    return std::accumulate(items.begin(), items.end(), std::int64_t{0}, [](std::int64_t sum, const MemoryItem& item) {
        return sum + (item.lifetime == MemoryItem::Lifetime::kGeneration ? item.bytes : 0);
    });
}

std::string MemoryPlan::text() const {
    std::size_t width = std::string_view("total").size();
    for (const MemoryItem& item : items) width = std::max(width, item.name.size());
    std::ostringstream lines;
    const auto line = [&lines, width](const std::string& name, std::int64_t bytes) {
        lines << name << std::string(width + 2 - name.size(), ' ') << describeBytes(bytes) << '\n';
    };
    for (const MemoryItem& item : items) line(item.name, item.bytes);
    line("total", totalBytes());
    return lines.str();
}

void MemoryPlan::requireFits(std::int64_t available_bytes) const {
    const std::int64_t needed = allocatedBytes();
    if (available_bytes == 0 || needed <= available_bytes) return;
    const auto largest = std::max_element(items.begin(), items.end(), [](const MemoryItem& a, const MemoryItem& b) {
        return (a.lifetime == MemoryItem::Lifetime::kGeneration ? a.bytes : -1) <
               (b.lifetime == MemoryItem::Lifetime::kGeneration ? b.bytes : -1);
    });
    throw Error({.what = "This does not fit into memory",
                 .expected = "at most " + describeBytes(available_bytes),
                 .found = describeBytes(needed) + ", of which " + largest->name + " " + describeBytes(largest->bytes),
                 .advice = "Choose a shorter context, fewer lanes or a smaller model"});
}

MemoryPlan planMemory(const ModelConfig& config, const MemoryRequest& request) {
    using Lifetime = MemoryItem::Lifetime;
    MemoryPlan plan;
    plan.items.push_back({"weights", request.weight_bytes, Lifetime::kModel});
    plan.items.push_back({"KV cache (" + std::to_string(request.kv_pages * kernels::kKvPageTokens) + " tokens)",
                          request.kv_pages * kvPageBytes(config), Lifetime::kGeneration});
    for (const ActivationBuffer& buffer : activationBuffers(config, request.forward)) {
        plan.items.push_back({std::string(buffer.name), buffer.bytes(), Lifetime::kGeneration});
    }
    if (request.trace.moe_layers > 0) {
        const std::int64_t layers = request.forward.rows * request.trace.moe_layers;
        const std::int64_t distribution = request.trace.distributions ? request.trace.experts : 0;
        const std::int64_t bytes =
            layers *
            (request.trace.slots * static_cast<std::int64_t>(sizeof(std::int16_t) + sizeof(float)) +
             static_cast<std::int64_t>(sizeof(RouterFacts)) + distribution * static_cast<std::int64_t>(sizeof(float)));
        plan.items.push_back({"routing record", bytes, Lifetime::kGeneration});
    }
    return plan;
}

}  // namespace mixoscope
