#include "engine/random_choice.h"

#include <algorithm>

#include "engine/counter_random.h"

namespace mixoscope {

namespace {

/// The number `index` of the key's sequence.
std::uint64_t bitsAt(const DrawKey& key, std::int32_t index) {
    const auto high = [](std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); };
    const auto low = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
    // Counters of one purpose lie side by side in the fourth word; 2¹⁶ blocks are more than experts.
    const std::uint32_t block = key.purpose << 16 | static_cast<std::uint32_t>(index);
    const PhiloxBlock bits =
        philox({low(key.subject), high(key.subject), key.layer, block}, {low(key.seed), high(key.seed)});
    return static_cast<std::uint64_t>(bits[0]) << 32 | bits[1];
}

/// Uniform in [0, range).
std::int32_t drawBelow(const DrawKey& key, std::int32_t index, std::int32_t range) {
    const std::uint64_t bits = bitsAt(key, index);
    return static_cast<std::int32_t>(bits % static_cast<std::uint64_t>(range));  // 2⁶⁴ ≫ range: no bias to speak of
}

}  // namespace

double uniformFor(const DrawKey& key) {
    return static_cast<double>(bitsAt(key, 0) >> 11) * 0x1.0p-53;
}

std::int32_t candidateCount(const RoutedRow& row) {
    return static_cast<std::int32_t>(std::ranges::count_if(row.probabilities, [](float p) { return !(p < 0.0F); }));
}

std::int32_t candidateAt(const RoutedRow& row, std::int32_t index) {
    std::int32_t expert = 0;
    while (row.probabilities[static_cast<std::size_t>(expert)] < 0.0F || index-- > 0) ++expert;
    return expert;
}

void chooseAtRandom(RoutedRow& row, std::int32_t k, const DrawKey& key) {
    const std::int32_t candidates = candidateCount(row);
    const std::int32_t count = std::min(k, candidates);
    std::ranges::fill(row.ids, -1);
    // Floyd's algorithm (Bentley, Floyd, "A sample of brilliance", 1987): one draw an expert, no list of all of them.
    for (std::int32_t drawn = 0; drawn < count; ++drawn) {
        const std::int32_t last = candidates - count + drawn;
        const auto so_far = row.ids.first(static_cast<std::size_t>(drawn));
        const std::int32_t candidate = drawBelow(key, drawn, last + 1);
        const bool taken = std::ranges::find(so_far, candidate) != so_far.end();
        row.ids[static_cast<std::size_t>(drawn)] = taken ? last : candidate;
    }
    const auto chosen = row.ids.first(static_cast<std::size_t>(count));
    if (candidates < static_cast<std::int32_t>(row.probabilities.size())) {
        for (std::int32_t& id : chosen) id = candidateAt(row, id);
    }
    kernels::sortByRank(row.probabilities, chosen);
}

void DrawnRule::chooseRow(int layer, RoutedRow& row) const {
    chooseAtRandom(
        row, m_k,
        {.seed = m_seed, .subject = m_subject(row), .layer = static_cast<std::uint32_t>(layer), .purpose = m_purpose});
}

}  // namespace mixoscope
