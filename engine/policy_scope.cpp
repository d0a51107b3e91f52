#include "engine/policy_scope.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace mixoscope {

PolicyScope::PolicyScope(std::vector<bool> layers, std::uint8_t phases, std::uint8_t kinds,
                         std::vector<PositionRange> positions)
    : m_layers(std::move(layers)), m_tokens(0), m_positions(std::move(positions)) {
    assert(std::ranges::is_sorted(m_positions, {}, &PositionRange::first));
    for (int index = 0; index < kTokenClasses; ++index) {
        const bool in_phase = (phases >> (index / kTokenKindCount) & 1) != 0;
        const bool of_kind = (kinds >> (index % kTokenKindCount) & 1) != 0;
        if (in_phase && of_kind) m_tokens = static_cast<std::uint16_t>(m_tokens | 1U << index);
    }
}

bool PolicyScope::coversPosition(std::int64_t position) const {
    if (m_positions.empty()) return true;
    const auto after = std::ranges::upper_bound(m_positions, position, {}, &PositionRange::first);
    return after != m_positions.begin() && position <= std::prev(after)->last;
}

}  // namespace mixoscope
