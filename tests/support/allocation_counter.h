// Counts allocations of the whole test program, for tests that nothing is allocated in a loop.
#pragma once

#include <cstdint>

namespace mixoscope::test {

/// Calls of operator new, in any thread, since the program began.
std::int64_t allocationCount();

}  // namespace mixoscope::test
