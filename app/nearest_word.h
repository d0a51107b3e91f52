// Finds what a mistyped word may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mixoscope {

/// The word that needs the fewest letters inserted, left out, replaced or swapped with their neighbour to become
/// `typed`; the first of several. Empty where even that is more than two letters and a third of them all, or more than
/// half of a short word.
std::string nearestWord(std::string_view typed, const std::vector<std::string>& words);

}  // namespace mixoscope
