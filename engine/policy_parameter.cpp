#include "engine/policy_parameter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/error.h"
#include "engine/policies/policy_kind.h"

namespace mixoscope {

namespace {

constexpr std::string_view kSpecialCharacters = ",+\"";

std::string numberText(double value) {
    std::array<char, 32> buffer{};
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    return error == std::errc{} ? std::string(buffer.data(), end) : std::string("?");
}

std::string joined(const std::vector<std::string>& words, const char* separator) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
    return text;
}

template <typename T>
std::optional<T> parsedWithin(std::string_view value, double minimum, double maximum) {
    T number{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
    const auto as_double = static_cast<double>(number);
    if (!std::isfinite(as_double) || as_double < minimum || as_double > maximum) return std::nullopt;
    return number;
}

std::string listText(const std::vector<bool>& members) {
    std::string text;
    for (std::size_t first = 0; first < members.size(); ++first) {
        if (!members[first]) continue;
        std::size_t last = first;
        while (last + 1 < members.size() && members[last + 1]) ++last;
        text += (text.empty() ? "" : "/") + std::to_string(first);
        if (last > first) text += "-" + std::to_string(last);
        first = last;
    }
    return text;
}

/// "thinking/prompt" → "prompt/thinking".
std::optional<std::string> normalChoices(const ParameterSpec& spec, std::string_view value) {
    std::vector<bool> chosen(spec.choices.size(), false);
    for (const std::string_view piece : splitAt(value, '/')) {
        const auto choice = std::ranges::find(spec.choices, piece);
        if (choice == spec.choices.end()) return std::nullopt;
        chosen[static_cast<std::size_t>(choice - spec.choices.begin())] = true;
    }
    if (!spec.also.empty() && std::ranges::count(chosen, false) == 0) return spec.also;
    std::vector<std::string> words;
    for (std::size_t index = 0; index < chosen.size(); ++index) {
        if (chosen[index]) words.push_back(spec.choices[index]);
    }
    return joined(words, "/");
}

}  // namespace

std::vector<std::string_view> splitAt(std::string_view text, char separator) {
    std::vector<std::string_view> pieces;
    while (true) {
        const std::size_t at = text.find(separator);
        pieces.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return pieces;
        text.remove_prefix(at + 1);
    }
}

std::optional<std::vector<bool>> parsedList(std::string_view value, double minimum, double maximum) {
    std::vector<bool> members(static_cast<std::size_t>(maximum) + 1, false);
    for (const std::string_view piece : splitAt(value, '/')) {
        const std::size_t dash = piece.find('-');
        const auto first = parsedWithin<std::int64_t>(piece.substr(0, dash), minimum, maximum);
        const auto last = dash == std::string_view::npos
                              ? first
                              : parsedWithin<std::int64_t>(piece.substr(dash + 1), minimum, maximum);
        if (!first || !last || *first > *last) return std::nullopt;
        for (std::int64_t member = *first; member <= *last; ++member) members[static_cast<std::size_t>(member)] = true;
    }
    return members;
}

std::string expectedValue(const ParameterSpec& spec) {
    const std::string range = numberText(spec.minimum) + " to " + numberText(spec.maximum);
    const std::string also = spec.also.empty() ? "" : ", or " + spec.also;
    switch (spec.type) {
        case ParameterType::kInteger:
            return "a whole number from " + range + also;
        case ParameterType::kNumber:
            return "a number from " + range + also;
        case ParameterType::kBoolean:
            return "true or false";
        case ParameterType::kChoice:
            return "one of " + joined(spec.choices, ", ");
        case ParameterType::kChoices:
            return "some of " + joined(spec.choices, ", ") + ", separated by /" + also;
        case ParameterType::kList:
            return "numbers and ranges from " + range + " such as 3-5/17" + also;
        case ParameterType::kFile:
            return "the path of a file" + also;
        case ParameterType::kText:
            break;
    }
    return "a text";
}

std::optional<std::string> normalValue(const ParameterSpec& spec, std::string_view value) {
    if (!spec.also.empty() && value == spec.also) return spec.also;
    switch (spec.type) {
        case ParameterType::kInteger: {
            const auto number = parsedWithin<std::int64_t>(value, spec.minimum, spec.maximum);
            return number ? std::optional(std::to_string(*number)) : std::nullopt;
        }
        case ParameterType::kNumber: {
            const auto number = parsedWithin<double>(value, spec.minimum, spec.maximum);
            return number ? std::optional(numberText(*number + 0.0)) : std::nullopt;
        }
        case ParameterType::kBoolean:
            return value == "true" || value == "false" ? std::optional(std::string(value)) : std::nullopt;
        case ParameterType::kChoice:
            return std::ranges::find(spec.choices, value) != spec.choices.end() ? std::optional(std::string(value))
                                                                                : std::nullopt;
        case ParameterType::kChoices:
            return normalChoices(spec, value);
        case ParameterType::kList: {
            const auto members = parsedList(value, spec.minimum, spec.maximum);
            if (!members) return std::nullopt;
            const bool all = std::ranges::count(*members, true) ==
                             static_cast<std::int64_t>(spec.maximum) - static_cast<std::int64_t>(spec.minimum) + 1;
            return all && spec.also == "all" ? spec.also : listText(*members);
        }
        case ParameterType::kFile:
        case ParameterType::kText:
            break;
    }
    return value.empty() ? std::nullopt : std::optional(std::string(value));
}

std::optional<std::string> withoutQuotes(std::string_view value) {
    if (!value.starts_with('"')) {
        return value.find('"') == std::string_view::npos ? std::optional(std::string(value)) : std::nullopt;
    }
    std::string text;
    for (std::size_t at = 1; at < value.size(); ++at) {
        if (value[at] != '"') {
            text += value[at];
        } else if (at + 1 < value.size() && value[at + 1] == '"') {
            text += value[at++];
        } else {
            return at + 1 == value.size() ? std::optional(text) : std::nullopt;
        }
    }
    return std::nullopt;
}

std::string withQuotes(const std::string& value) {
    if (value.find_first_of(kSpecialCharacters) == std::string::npos) return value;
    std::string text = "\"";
    for (const char character : value) text += character == '"' ? std::string("\"\"") : std::string(1, character);
    return text + "\"";
}

std::vector<std::int32_t> PolicyArguments::list(const std::string& key) const {
    const std::string& value = text(key);
    std::vector<std::int32_t> numbers;
    if (value == "none" || value == "all") return numbers;
    constexpr double kAnything = 1 << 20;
    const auto members = parsedList(value, 0.0, kAnything);
    for (std::size_t number = 0; number < members->size(); ++number) {
        if ((*members)[number]) numbers.push_back(static_cast<std::int32_t>(number));
    }
    return numbers;
}

ParameterSpec countParameter(const ModelConfig& config) {
    return {.key = "k",
            .type = ParameterType::kInteger,
            .minimum = config.num_experts > 0 ? 1.0 : 0.0,
            .maximum = static_cast<double>(config.num_experts),
            .default_value = std::to_string(config.num_experts_per_tok),
            .help = "Experts a token; the checkpoint was trained with the default",
            .always_shown = true};
}

ParameterSpec renormaliseParameter(const ModelConfig& config) {
    return {.key = "renorm",
            .type = ParameterType::kBoolean,
            .default_value = config.norm_topk_prob ? "true" : "false",
            .help =
                "Divide the weights by their sum. Otherwise than the checkpoint does, the scale of the layer's output "
                "changes"};
}

ParameterSpec expertsParameter(const ModelConfig& config) {
    return {.key = "experts",
            .type = ParameterType::kList,
            .minimum = 0.0,
            .maximum = static_cast<double>(config.num_experts - 1),
            .default_value = "",
            .help = "Experts, as numbers and ranges: 3-5/17"};
}

ParameterSpec seedParameter() {
    return {.key = "seed",
            .type = ParameterType::kInteger,
            .minimum = 0.0,
            .maximum = 2147483647.0,
            .default_value = "1",
            .help = "Another seed gives other experts"};
}

ParameterSpec calibrationParameter() {
    return {.key = "calibration",
            .type = ParameterType::kFile,
            .default_value = "none",
            .help = "File made by mixoscope calibrate with this very model",
            .also = "none"};
}

CountRange countRange(const PolicyArguments& arguments) {
    const auto min = static_cast<int>(arguments.integer("min"));
    const auto max = static_cast<int>(arguments.integer("max"));
    if (min > max) {
        throw Error({.what = "the fewest are more than the most",
                     .where = "min",
                     .expected = "at most max, " + std::to_string(max),
                     .found = std::to_string(min)});
    }
    return {min, max};
}

}  // namespace mixoscope
