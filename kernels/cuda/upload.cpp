#include "kernels/cuda/upload.h"

namespace mixoscope::kernels::cuda {

DeviceStatus uploadMatrix(Device& device, const Matrix& w, std::byte* to, DeviceMatrix& uploaded) {
    uploaded = {.data = to,
                .rows = static_cast<std::int32_t>(w.rows),
                .columns = static_cast<std::int32_t>(w.columns),
                .row_pieces = piecesOfRow(w.columns, w.type),
                .type = w.type};
    const std::int64_t stride = std::int64_t{uploaded.row_pieces} * kPieceBytes;
    const std::int64_t row_bytes = w.columns * static_cast<std::int64_t>(bytesPerElement(w.type));
    if (row_bytes == stride) return device.copyToDevice(to, w.data, w.bytes());
    return device.copyRowsToDevice(to, stride, w.data, row_bytes, w.rows);
}

}  // namespace mixoscope::kernels::cuda
