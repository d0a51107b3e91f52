#include "sessions/page_size.h"

#include <algorithm>

namespace mixoscope {

namespace {

constexpr double kLittleMore = 1.05;
// https://www.sqlite.org/fileformat2.html, 1.5 and 1.6: of a page of a table's leaves, and of a row in it.
constexpr std::size_t kPageHead = 8;
constexpr std::size_t kRowHead = 2 + 4 + 6;  // its place in the page, its length, its serial number
constexpr std::size_t kOverflowHead = 4;

/// Bytes of a row that stay in the leaf.
std::size_t localBytes(std::size_t row_bytes, std::size_t page_bytes) {
    const std::size_t most = page_bytes - 35;
    const std::size_t least = (page_bytes - 12) * 32 / 255 - 23;
    if (row_bytes <= most) return row_bytes;
    const std::size_t local = least + (row_bytes - least) % (page_bytes - kOverflowHead);
    return local <= most ? local : least;
}

}  // namespace

double fileBytesOfRow(std::size_t row_bytes, std::size_t page_bytes) {
    const std::size_t local = localBytes(row_bytes, page_bytes);
    const std::size_t overflow = page_bytes - kOverflowHead;
    const std::size_t pages = (row_bytes - local + overflow - 1) / overflow;
    const std::size_t rows = (page_bytes - kPageHead) / (local + kRowHead);
    return static_cast<double>(page_bytes) * (static_cast<double>(pages) + 1.0 / static_cast<double>(rows));
}

std::size_t pageBytesFor(std::size_t row_bytes) {
    double least = fileBytesOfRow(row_bytes, kLargestPageBytes);
    for (std::size_t page = kSmallestPageBytes; page < kLargestPageBytes; page *= 2)
        least = std::min(least, fileBytesOfRow(row_bytes, page));
    std::size_t page = kSmallestPageBytes;
    while (fileBytesOfRow(row_bytes, page) > kLittleMore * least) page *= 2;
    return page;
}

}  // namespace mixoscope
