#include "sessions/plain_name.h"

#include <cctype>

namespace mixoscope {

std::string plainName(const std::string& text) {
    std::string name;
    for (const char c : text) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' ||
                           static_cast<unsigned char>(c) >= 0x80;
        name += plain ? c : '_';
    }
    return name;
}

}  // namespace mixoscope
