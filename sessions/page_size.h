// How large the pages of a session file are. SQLite lets a row begin in a page and go on in whole pages of its own, or
// lie beside as many others as fit; what is left over in a page stays empty.
#pragma once

#include <cstddef>

namespace mixoscope {

constexpr std::size_t kSmallestPageBytes = 4096;
constexpr std::size_t kLargestPageBytes = 65536;

/// Bytes of file that a row of so many bytes takes in pages of this size.
double fileBytesOfRow(std::size_t row_bytes, std::size_t page_bytes);

/// The smallest page in which rows of so many bytes take little more than in the best one: each table of a file takes
/// a page, also one that stays empty.
std::size_t pageBytesFor(std::size_t row_bytes);

}  // namespace mixoscope
