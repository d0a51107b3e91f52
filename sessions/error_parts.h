// What a snapshot says of an exception.
#pragma once

#include <exception>

#include "engine/error.h"

namespace mixoscope {

/// The parts of an Error; of any other exception what it says, of a failed allocation that memory ran out.
ErrorParts partsOf(const std::exception& exception);

}  // namespace mixoscope
