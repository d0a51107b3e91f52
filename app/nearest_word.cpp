#include "app/nearest_word.h"

#include <algorithm>
#include <utility>

namespace mixoscope {

namespace {

/// The optimal string alignment distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before;                 // row i − 2
    std::vector<std::size_t> above(b.size() + 1);    // row i − 1
    std::vector<std::size_t> current(b.size() + 1);  // row i
    for (std::size_t j = 0; j <= b.size(); ++j) current[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        before = std::exchange(above, current);
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            current[j] = std::min({above[j] + 1, current[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                current[j] = std::min(current[j], before[j - 2] + 1);
        }
    }
    return current[b.size()];
}

}  // namespace

std::string nearestWord(std::string_view typed, const std::vector<std::string>& words) {
    std::string nearest;
    std::size_t least = std::max(std::min<std::size_t>(2, typed.size() / 2), typed.size() / 3) + 1;
    for (const std::string& word : words) {
        const std::size_t far = distance(typed, word);
        if (far >= least) continue;
        least = far;
        nearest = word;
    }
    return nearest;
}

}  // namespace mixoscope
