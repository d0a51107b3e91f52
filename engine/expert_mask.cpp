#include "engine/expert_mask.h"

#include <algorithm>
#include <limits>

namespace mixoscope {

void ExpertMask::adjust(int layer, RoutedRow& row) const {
    for (const std::int32_t expert : m_removed[static_cast<std::size_t>(layer)])
        row.logits[static_cast<std::size_t>(expert)] = -std::numeric_limits<float>::infinity();
}

bool ExpertMask::removes(int layer, std::int32_t expert) const {
    return std::ranges::binary_search(m_removed[static_cast<std::size_t>(layer)], expert);
}

}  // namespace mixoscope
