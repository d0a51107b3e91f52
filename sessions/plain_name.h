// File names from what somebody called a thing.
#pragma once

#include <string>

namespace mixoscope {

/// The text as one part of a path: letters, digits and - _ . stay, whatever else there is becomes _.
std::string plainName(const std::string& text);

}  // namespace mixoscope
