// What kind of text a token is, by a rule over its bytes alone, so that every model and session is sorted alike.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/step_trace.h"

namespace mixoscope {

enum class TokenClass : std::uint8_t { kDigit, kWord, kPunctuation, kSpace, kSpecial, kOther };
constexpr int kTokenClassCount = 6;

/// The first that holds:
///   special      a thinking tag or the end of a turn, or a text <|…|>
///   other        nothing, or bytes that are not whole UTF-8 characters
///   space        nothing but white space and line breaks
/// and, white space at either end left out:
///   digit        nothing but numbers (categories Nd, Nl, No)
///   word         nothing but word characters (\w) and apostrophes, with one at least that is no number
///   punctuation  no word character and no number at all: punctuation and symbols
///   other        a mixture, such as "+5"
TokenClass tokenClass(const TokenTrace& token, std::string_view bytes);

}  // namespace mixoscope
