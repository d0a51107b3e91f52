#include "engine/device_memory.h"

#include "engine/memory_plan.h"

namespace mixoscope {

DeviceMemory::DeviceMemory(kernels::cuda::Device& device, std::int64_t bytes, const std::string& what,
                           DeviceMemoryKind kind)
    : m_device(&device),
      m_data(kind == DeviceMemoryKind::kDevice ? device.allocate(bytes) : device.allocatePinned(bytes)),
      m_bytes(bytes),
      m_kind(kind) {
    if (m_data != nullptr) return;
    if (kind == DeviceMemoryKind::kPinnedHost) {
        throw Error({.what = "The host's memory that the device writes to cannot be had: " + what,
                     .where = device.info().name,
                     .found = describeBytes(bytes) + " needed",
                     .advice = "Choose fewer lanes or a smaller prefill chunk"});
    }
    throw Error({.what = "This does not fit into the device's memory: " + what,
                 .where = device.info().name,
                 .expected = "at most " + describeBytes(device.freeBytes()) + ", which are free of " +
                             describeBytes(device.info().total_bytes),
                 .found = describeBytes(bytes),
                 .advice = "Choose a smaller model, fewer lanes or a shorter context, or the back end cpu"});
}

DeviceMemory::~DeviceMemory() {
    if (m_data == nullptr) return;
    if (m_kind == DeviceMemoryKind::kDevice) {
        m_device->release(m_data);
    } else {
        m_device->releasePinned(m_data);
    }
}

}  // namespace mixoscope
