#include "engine/device_processor.h"

#include <algorithm>
#include <chrono>

#include "engine/device_step_input.h"

namespace mixoscope {

DeviceProcessor::DeviceProcessor(std::unique_ptr<kernels::cuda::Device> device, const Model& model,
                                 const std::function<void(std::string_view)>& log, const DeviceStepOptions& options)
    : m_device(std::move(device)),
      m_name("cuda (" + m_device->info().name + ")"),
      m_config(model.config),
      m_weights(*m_device, model.weights, log),
      m_options(options) {}

std::int64_t DeviceProcessor::roomForKeysAndValues(const ForwardLimits& limits) const {
    constexpr std::int64_t kReserve = std::int64_t{64} << 20;  // lists, step input, what the driver takes
    const std::int64_t free =
        m_device->freeBytes() - DeviceForwardPass::bufferBytes(*m_device, m_config, m_weights, limits);
    return std::max<std::int64_t>((free - std::min(kReserve, free / 4)) / 2, 0);
}

std::optional<double> DeviceProcessor::measureCopyBandwidth() {
    return mixoscope::measureCopyBandwidth(*m_device);
}

double measureCopyBandwidth(kernels::cuda::Device& device) {
    constexpr int kCopies = 16;
    const std::int64_t bytes = std::min(std::int64_t{1} << 30, device.freeBytes() / 4) / 256 * 256;
    const DeviceMemory from(device, bytes, "a copy to measure");
    const DeviceMemory to(device, bytes, "a copy to measure");
    const auto copyAll = [&](int copies) {
        for (int copy = 0; copy < copies; ++copy)
            requireDevice(device, device.copyWithin(to.data(), from.data(), bytes));
        requireDevice(device, device.synchronise());
    };
    copyAll(2);
    const auto start = std::chrono::steady_clock::now();
    copyAll(kCopies);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return 2.0 * kCopies * static_cast<double>(bytes) / seconds / 1e9;
}

std::unique_ptr<ForwardPass> DeviceProcessor::makeForwardPass(const Model& model, const ForwardLimits& limits,
                                                              std::int64_t kv_pages) {
    return std::make_unique<DeviceForwardPass>(*m_device, m_weights, model, limits, kv_pages, m_options);
}

std::unique_ptr<Processor> makeCudaProcessor(const Model& model, int index,
                                             const std::function<void(std::string_view)>& log) {
    std::string failure;
    auto device = kernels::cuda::openCudaDevice(index, failure);
    if (device == nullptr) {
        throw Error({.what = "No CUDA device can be used",
                     .where = "back end cuda",
                     .found = failure,
                     .advice = "Choose the back end cpu"});
    }
    return std::make_unique<DeviceProcessor>(std::move(device), model, log);
}

}  // namespace mixoscope
