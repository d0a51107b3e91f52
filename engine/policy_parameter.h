// Values of policy parameters: what is valid, how it is said, and its normal form.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/routing_policy.h"

namespace mixoscope {

/// The value as it is written in the normal form; nothing if it is not valid.
std::optional<std::string> normalValue(const ParameterSpec& spec, std::string_view value);

/// What a value must be, for messages: "a whole number from 1 to 8".
std::string expectedValue(const ParameterSpec& spec);

/// "3-5/17" → members of [0, maximum], or nothing where the text is no list or leaves [minimum, maximum].
std::optional<std::vector<bool>> parsedList(std::string_view value, double minimum, double maximum);

/// Without regard to quotes.
std::vector<std::string_view> splitAt(std::string_view text, char separator);

/// A value in double quotes without them, any other one as it is; nothing if the quotes do not fit.
std::optional<std::string> withoutQuotes(std::string_view value);
/// In double quotes where the grammar needs them.
std::string withQuotes(const std::string& value);

}  // namespace mixoscope
