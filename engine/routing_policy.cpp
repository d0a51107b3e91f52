// The text form of policies: NAME[:key=value,…] → a policy, checked against the descriptions in policies/.
#include "engine/routing_policy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/error.h"
#include "engine/policies/policy_kind.h"
#include "engine/policy_table.inc"

namespace mixoscope {

namespace {

std::string quoted(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

std::string numberText(double value) {
    std::array<char, 32> buffer{};
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    return error == std::errc{} ? std::string(buffer.data(), end) : std::string("?");
}

std::string where(std::string_view text) {
    return "routing policy " + quoted(text);
}

template <typename List, typename Name>
std::string joined(const List& list, Name name) {
    std::string text;
    for (const auto& item : list) text += (text.empty() ? "" : ", ") + name(item);
    return text;
}

std::string rangeText(const ParameterSpec& spec) {
    const std::string range = numberText(spec.minimum) + " to " + numberText(spec.maximum);
    switch (spec.type) {
        case ParameterType::kInteger:
            return "a whole number from " + range;
        case ParameterType::kNumber:
            return "a number from " + range;
        case ParameterType::kBoolean:
            return "true or false";
        case ParameterType::kText:
            break;
    }
    return "a text";
}

template <typename T>
bool parsesWithin(std::string_view value, double minimum, double maximum) {
    T number{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size()) return false;
    const auto as_double = static_cast<double>(number);
    return std::isfinite(as_double) && as_double >= minimum && as_double <= maximum;
}

bool isValid(const ParameterSpec& spec, std::string_view value) {
    switch (spec.type) {
        case ParameterType::kInteger:
            return parsesWithin<std::int64_t>(value, spec.minimum, spec.maximum);
        case ParameterType::kNumber:
            return parsesWithin<double>(value, spec.minimum, spec.maximum);
        case ParameterType::kBoolean:
            return value == "true" || value == "false";
        case ParameterType::kText:
            break;
    }
    return !value.empty();
}

/// One key=value of the text, checked and added to the arguments.
void addArgument(std::string_view text, std::string_view part, const PolicySpec& spec, PolicyArguments& arguments) {
    const auto keys = [&] { return joined(spec.parameters, [](const ParameterSpec& p) { return p.key; }); };
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
        throw Error({.what = "a parameter is written key=value",
                     .where = where(text),
                     .expected = spec.parameters.empty() ? "no parameters" : "one of the keys " + keys(),
                     .found = quoted(part)});
    }
    const std::string key(part.substr(0, equals));
    const std::string_view value = part.substr(equals + 1);
    const auto parameter = std::ranges::find(spec.parameters, key, &ParameterSpec::key);
    if (parameter == spec.parameters.end()) {
        throw Error({.what = "this policy has no parameter of that name",
                     .where = where(text),
                     .expected = spec.parameters.empty() ? "no parameters" : "one of the keys " + keys(),
                     .found = quoted(key)});
    }
    if (arguments.has(key)) {
        throw Error({.what = "a parameter is given twice", .where = where(text), .expected = "", .found = quoted(key)});
    }
    if (!isValid(*parameter, value)) {
        throw Error({.what = "the value does not fit",
                     .where = where(text) + ", " + key,
                     .expected = rangeText(*parameter),
                     .found = quoted(value)});
    }
    arguments.set(key, std::string(value));
}

}  // namespace

std::vector<PolicySpec> policySpecs(const ModelConfig& config) {
    std::vector<PolicySpec> specs;
    for (const PolicyKind& kind : policies::table()) {
        PolicySpec spec = kind.spec(config);
        // Without experts there is nothing to choose: only the checkpoint's own rule is left.
        if (config.num_experts > 0 || spec.parameters.empty()) specs.push_back(std::move(spec));
    }
    return specs;
}

std::shared_ptr<const RoutingPolicy> parsePolicy(std::string_view text, const ModelConfig& config) {
    const std::size_t colon = text.find(':');
    const std::string name(text.substr(0, colon));
    for (const PolicyKind& kind : policies::table()) {
        const PolicySpec spec = kind.spec(config);
        if (spec.name != name) continue;
        if (config.num_experts == 0 && !spec.parameters.empty()) {
            throw Error({.what = "this model has no experts to choose",
                         .where = where(text),
                         .expected = quoted("model"),
                         .found = quoted(text)});
        }
        PolicyArguments arguments;
        std::string_view rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
        while (colon != std::string_view::npos) {
            const std::size_t comma = rest.find(',');
            addArgument(text, rest.substr(0, comma), spec, arguments);
            if (comma == std::string_view::npos) break;
            rest = rest.substr(comma + 1);
        }
        for (const ParameterSpec& parameter : spec.parameters) {
            if (!arguments.has(parameter.key)) arguments.set(parameter.key, parameter.default_value);
        }
        return kind.make(arguments, config);
    }
    throw Error({.what = "there is no such policy",
                 .where = where(text),
                 .expected = "one of " + joined(policySpecs(config), [](const PolicySpec& spec) { return spec.name; }),
                 .found = quoted(name)});
}

}  // namespace mixoscope
