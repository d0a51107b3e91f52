#include "sessions/playback.h"

#include <algorithm>

namespace mixoscope {

std::int64_t PlaybackIndex::stepOfRow(std::int64_t row) const {
    if (steps.empty()) return 0;
    const auto found = std::ranges::lower_bound(steps, row, {}, &PlaybackStep::rows);
    return std::min(found - steps.begin() + 1, count());
}

std::int64_t PlaybackIndex::nextTurn(std::int64_t number) const {
    const auto found = std::find_if(steps.begin() + std::clamp<std::int64_t>(number, 0, count()), steps.end(),
                                    [](const PlaybackStep& step) { return step.begins_turn; });
    return found == steps.end() ? count() : found - steps.begin() + 1;
}

std::int64_t PlaybackIndex::previousTurn(std::int64_t number) const {
    for (std::int64_t earlier = std::min(number, count()) - 1; earlier >= 1; --earlier) {
        if (step(earlier).begins_turn) return earlier;
    }
    return std::min<std::int64_t>(1, count());
}

}  // namespace mixoscope
