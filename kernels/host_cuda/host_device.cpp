#include "kernels/host_cuda/host_device.h"

#include <cstdlib>
#include <cstring>
#include <map>

#include "kernels/cuda/step_kernel.cuh"

namespace mixoscope::kernels::host_cuda {
namespace {

using cuda::DeviceStatus;

void stepKernel(const void* arguments) {
    cuda::runStep(*static_cast<const cuda::StepArguments*>(arguments));
}

class HostDevice final : public cuda::Device {
public:
    explicit HostDevice(const HostDeviceShape& shape)
        : m_shape(shape),
          m_info{.name = "host",
                 .multiprocessors = static_cast<std::int32_t>(shape.blocks),
                 .block_threads = static_cast<std::int32_t>(shape.threads),
                 .shared_bytes = shape.shared_bytes,
                 .total_bytes = shape.memory_bytes} {}
    ~HostDevice() override {
        for (const auto& [memory, bytes] : m_sizes) std::free(memory);
    }

    const cuda::DeviceInfo& info() const override { return m_info; }
    std::int64_t freeBytes() const override { return m_shape.memory_bytes - m_used; }

    std::byte* allocate(std::int64_t bytes) override {
        const std::int64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
        if (rounded > freeBytes()) return nullptr;
        auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, static_cast<std::size_t>(rounded)));
        if (memory == nullptr) return nullptr;
        std::memset(memory, 0xFF, static_cast<std::size_t>(rounded));  // f32: NaN, so that what nobody set shows
        m_sizes[memory] = rounded;
        m_used += rounded;
        return memory;
    }
    void release(std::byte* memory) override {
        const auto found = m_sizes.find(memory);
        if (found == m_sizes.end()) return;
        m_used -= found->second;
        std::free(memory);
        m_sizes.erase(found);
    }
    std::byte* allocatePinned(std::int64_t bytes) override {
        return static_cast<std::byte*>(std::calloc(static_cast<std::size_t>(bytes), 1));
    }
    void releasePinned(std::byte* memory) override { std::free(memory); }

    DeviceStatus copyToDevice(std::byte* to, const void* from, std::int64_t bytes) override {
        std::memcpy(to, from, static_cast<std::size_t>(bytes));
        return {};
    }
    DeviceStatus copyRowsToDevice(std::byte* to, std::int64_t to_stride, const void* from, std::int64_t row_bytes,
                                  std::int64_t rows) override {
        const auto* bytes = static_cast<const std::byte*>(from);
        for (std::int64_t row = 0; row < rows; ++row)
            std::memcpy(to + row * to_stride, bytes + row * row_bytes, static_cast<std::size_t>(row_bytes));
        return {};
    }
    DeviceStatus copyToHost(void* to, const std::byte* from, std::int64_t bytes) override {
        std::memcpy(to, from, static_cast<std::size_t>(bytes));
        return {};
    }
    DeviceStatus copyWithin(std::byte* to, const std::byte* from, std::int64_t bytes) override {
        std::memcpy(to, from, static_cast<std::size_t>(bytes));
        return {};
    }
    DeviceStatus clear(std::byte* memory, std::int64_t bytes) override {
        std::memset(memory, 0, static_cast<std::size_t>(bytes));
        return {};
    }

    std::int64_t stepSharedBytes(const cuda::StepArguments& step) const override {
        return cuda::sharedBytesOf(step, m_info.block_threads / cuda::kWarpLanes);
    }
    DeviceStatus runStep(const cuda::StepArguments& step, cuda::StepLaunch launch) override {
        GridShape grid{.blocks = m_shape.blocks,
                       .threads = m_shape.threads,
                       .shared_bytes = static_cast<std::size_t>(stepSharedBytes(step)),
                       .cooperative = launch == cuda::StepLaunch::kTogether,
                       .order = m_shape.order};
        cuda::StepArguments part = step;
        if (grid.cooperative) {
            *step.grid_arrived = 0;
            runGrid(grid, stepKernel, &part);
            return {};
        }
        for (int index = step.program_begin; index < step.program_end; ++index) {
            part.program_begin = index;
            part.program_end = index + 1;
            runGrid(grid, stepKernel, &part);
        }
        return {};
    }
    DeviceStatus synchronise() override { return {}; }

private:
    static constexpr std::int64_t kAlignment = 256;

    HostDeviceShape m_shape;
    cuda::DeviceInfo m_info;
    std::int64_t m_used = 0;
    std::map<std::byte*, std::int64_t> m_sizes;
};

}  // namespace

std::unique_ptr<cuda::Device> makeHostDevice(const HostDeviceShape& shape) {
    return std::make_unique<HostDevice>(shape);
}

}  // namespace mixoscope::kernels::host_cuda
