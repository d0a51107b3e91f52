// A Device for tests: the very kernels of the CUDA device, compiled for the host.
#pragma once

#include <memory>

#include "kernels/cuda/device.h"
#include "kernels/host_cuda/grid.h"

namespace mixoscope::kernels::host_cuda {

struct HostDeviceShape {
    unsigned blocks = 2;
    unsigned threads = 64;  // of a block
    ThreadOrder order = ThreadOrder::kAscending;
    std::int64_t memory_bytes = std::int64_t{1} << 30;  // allocate() gives no more
    std::int64_t shared_bytes = 227 * 1024;
};

std::unique_ptr<cuda::Device> makeHostDevice(const HostDeviceShape& shape);

}  // namespace mixoscope::kernels::host_cuda
