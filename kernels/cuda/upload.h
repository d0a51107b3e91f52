// Weights on their way to the device.
#pragma once

#include <span>

#include "kernels/cuda/device.h"

namespace mixoscope::kernels::cuda {

/// Bytes that a matrix takes on the device.
inline std::int64_t deviceBytes(const Matrix& w) {
    return deviceBytes(w.rows, w.columns, w.type);
}

/// Copies a matrix to `to`, which has deviceBytes(w), is 16-byte aligned and, where rows need padding, has been
/// cleared.
DeviceStatus uploadMatrix(Device& device, const Matrix& w, std::byte* to, DeviceMatrix& uploaded);

}  // namespace mixoscope::kernels::cuda
