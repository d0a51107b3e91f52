#include "sessions/text_windows.h"

#include <algorithm>

namespace mixoscope {

std::vector<TextWindow> textWindows(std::int64_t tokens, std::int64_t window, std::int64_t stride) {
    std::vector<TextWindow> windows;
    std::int64_t reached = 0;  // end of the window before
    for (std::int64_t begin = 0; reached < tokens; begin += stride) {
        const std::int64_t end = std::min(begin + window, tokens);
        const std::int64_t scored = std::max(reached, begin + 1);
        if (scored < end) windows.push_back({.begin = begin, .scored = scored, .end = end});
        reached = end;
    }
    return windows;
}

}  // namespace mixoscope
