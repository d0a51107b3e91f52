// A device that runs steps: a CUDA device, or in tests the host's emulation of one. What is asked of it happens in the
// order in which it is asked; only synchronise() and the functions that say so wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/step.h"

namespace mixoscope::kernels::cuda {

/// What came of a call; an empty text means success. Once a device has failed, it goes on failing.
struct [[nodiscard]] DeviceStatus {
    std::string failure;  // what failed and what the driver says of it

    bool ok() const { return failure.empty(); }
};

struct DeviceInfo {
    std::string name;
    std::int32_t multiprocessors = 1;
    std::int32_t block_threads = 32;      // of a block of the step kernel
    std::int64_t shared_bytes = 0;        // that a block can have
    std::int64_t total_bytes = 0;         // of the device's memory
    std::int32_t compute_capability = 0;  // 90 for 9.0
};

/// How the phases of a step are run.
enum class StepLaunch : std::uint8_t {
    kTogether,  // one cooperative launch
    kOneByOne,  // a launch for each phase, recorded once and played as a graph where the device has them
};

class Device {
public:
    virtual ~Device() = default;
    virtual const DeviceInfo& info() const = 0;
    virtual std::int64_t freeBytes() const = 0;

    /// Memory of the device, aligned to 256 bytes and not set; null when there is too little of it.
    virtual std::byte* allocate(std::int64_t bytes) = 0;
    virtual void release(std::byte* memory) = 0;
    /// Memory of the host that the device can read and write, set to zero; null when there is too little.
    virtual std::byte* allocatePinned(std::int64_t bytes) = 0;
    virtual void releasePinned(std::byte* memory) = 0;

    /// The host's memory may be changed when the call returns, unless it is pinned: then after synchronise().
    virtual DeviceStatus copyToDevice(std::byte* to, const void* from, std::int64_t bytes) = 0;
    /// `rows` rows of `row_bytes` bytes; on the device they begin `to_stride` bytes apart.
    virtual DeviceStatus copyRowsToDevice(std::byte* to, std::int64_t to_stride, const void* from,
                                          std::int64_t row_bytes, std::int64_t rows) = 0;
    /// There after synchronise().
    virtual DeviceStatus copyToHost(void* to, const std::byte* from, std::int64_t bytes) = 0;
    virtual DeviceStatus copyWithin(std::byte* to, const std::byte* from, std::int64_t bytes) = 0;
    virtual DeviceStatus clear(std::byte* memory, std::int64_t bytes) = 0;

    /// Shared memory that a block needs to run all phases of such a step.
    virtual std::int64_t stepSharedBytes(const StepArguments& step) const = 0;
    /// Runs phases [program_begin, program_end).
    virtual DeviceStatus runStep(const StepArguments& step, StepLaunch launch) = 0;
    virtual DeviceStatus synchronise() = 0;
};

/// Devices of this machine; none, with the reason in `why_none`, where the program was built without CUDA or the
/// driver is missing or too old.
std::vector<DeviceInfo> cudaDevices(std::string& why_none);
/// Null, with the reason in `failure`, when it cannot be used.
std::unique_ptr<Device> openCudaDevice(int index, std::string& failure);

/// Sets row_tile and entry_capacity to what fits into the device's shared memory. False: not even one row does.
[[nodiscard]] bool fitTiles(StepArguments& step, const Device& device);

}  // namespace mixoscope::kernels::cuda
