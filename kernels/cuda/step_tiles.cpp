// How much of a step a block works on at once.
#include "kernels/cuda/device.h"

namespace mixoscope::kernels::cuda {

bool fitTiles(StepArguments& step, const Device& device) {
    constexpr std::int32_t kEntries = 256;  // 32 rows of 8 experts
    const std::int32_t fewest = step.slots > 1 ? step.slots : 1;
    for (const std::int32_t entries : {kEntries, fewest}) {
        step.entry_capacity = entries > fewest ? entries : fewest;
        for (step.row_tile = kRowsAtOnce; step.row_tile > 0; step.row_tile /= 2) {
            if (device.stepSharedBytes(step) <= device.info().shared_bytes) return true;
        }
    }
    return false;
}

}  // namespace mixoscope::kernels::cuda
