// What a file in policies/ provides: a description and a factory. policies/NAME.cpp defines
// `PolicyKind mixoscope::policies::NAME::kind()`; the build makes the table of all of them from the file names.
#pragma once

#include <cassert>
#include <charconv>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "engine/routing_policy.h"

namespace mixoscope {

/// Values of a policy's parameters: one for each ParameterSpec, checked against its type and range.
class PolicyArguments {
public:
    void set(std::string key, std::string value) { m_values[std::move(key)] = std::move(value); }
    bool has(const std::string& key) const { return m_values.contains(key); }

    std::int64_t integer(const std::string& key) const { return parsed<std::int64_t>(key); }
    double number(const std::string& key) const { return parsed<double>(key); }
    bool boolean(const std::string& key) const { return text(key) == "true"; }
    const std::string& text(const std::string& key) const { return m_values.at(key); }

private:
    template <typename T>
    T parsed(const std::string& key) const {
        const std::string& value = text(key);
        T result{};
        [[maybe_unused]] const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
        assert(error == std::errc{} && end == value.data() + value.size());
        return result;
    }
    std::map<std::string, std::string> m_values;
};

struct PolicyKind {
    /// Ranges and defaults are the model's.
    PolicySpec (*spec)(const ModelConfig& config);
    std::shared_ptr<const RoutingPolicy> (*make)(const PolicyArguments& arguments, const ModelConfig& config);
};

}  // namespace mixoscope
