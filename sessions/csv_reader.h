// Reads CSV as RFC 4180 has it: quoted fields may hold commas, quotes (doubled) and line ends.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mixoscope {

/// The records of a text, each with its fields. Throws Error naming `file` and the line for a quote that is never
/// closed or stands in the middle of a bare field, and for a record with another number of fields than the first.
std::vector<std::vector<std::string>> readCsv(std::string_view text, const std::string& file);

}  // namespace mixoscope
