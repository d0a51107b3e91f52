#include "sessions/error_parts.h"

#include <new>

namespace mixoscope {

ErrorParts partsOf(const std::exception& exception) {
    if (const auto* error = dynamic_cast<const Error*>(&exception)) return error->parts();
    if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) return {.what = "Not enough memory"};
    return {.what = exception.what()};
}

}  // namespace mixoscope
