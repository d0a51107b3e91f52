// Memory of a device and what its failures look like to people.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "engine/error.h"
#include "kernels/cuda/device.h"

namespace mixoscope {

/// Throws Error for a failure of the device.
inline void requireDevice(const kernels::cuda::Device& device, const kernels::cuda::DeviceStatus& status) {
    if (status.ok()) return;
    throw Error({.what = "The CUDA device failed",
                 .where = device.info().name,
                 .found = status.failure,
                 .advice = "What was recorded is safe. Open the model again, or choose the back end cpu"});
}

enum class DeviceMemoryKind : std::uint8_t { kDevice, kPinnedHost };

/// One allocation, given back when it goes. The device must outlive it.
class DeviceMemory {
public:
    DeviceMemory() = default;
    /// Throws Error, naming `what` it was for, when the memory cannot be had.
    DeviceMemory(kernels::cuda::Device& device, std::int64_t bytes, const std::string& what,
                 DeviceMemoryKind kind = DeviceMemoryKind::kDevice);
    ~DeviceMemory();
    DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
    DeviceMemory& operator=(DeviceMemory&& other) noexcept {
        swap(other);
        return *this;
    }

    std::byte* data() const { return m_data; }
    std::int64_t bytes() const { return m_bytes; }

private:
    void swap(DeviceMemory& other) noexcept {
        std::swap(m_device, other.m_device);
        std::swap(m_data, other.m_data);
        std::swap(m_bytes, other.m_bytes);
        std::swap(m_kind, other.m_kind);
    }
    kernels::cuda::Device* m_device = nullptr;
    std::byte* m_data = nullptr;
    std::int64_t m_bytes = 0;
    DeviceMemoryKind m_kind = DeviceMemoryKind::kDevice;
};

/// Lays arrays out in one allocation: first on nothing, to learn how many bytes they take, then on the memory.
class ArrayLayout {
public:
    explicit ArrayLayout(std::byte* memory) : m_memory(memory) {}
    template <typename T>
    T* take(std::int64_t count) {
        constexpr std::int64_t kAlignment = 256;  // what a device's allocations have
        T* array = m_memory == nullptr ? nullptr : reinterpret_cast<T*>(m_memory + m_bytes);
        m_bytes += (count * static_cast<std::int64_t>(sizeof(T)) + kAlignment - 1) / kAlignment * kAlignment;
        return array;
    }
    std::int64_t bytes() const { return m_bytes; }

private:
    std::byte* m_memory;
    std::int64_t m_bytes = 0;
};

}  // namespace mixoscope
