// A CUDA device that holds a model's weights and runs its forward passes.
#pragma once

#include <functional>
#include <string>

#include "engine/device_forward_pass.h"

namespace mixoscope {

class DeviceProcessor final : public Processor {
public:
    /// Brings the model's weights to the device. Throws Error when they do not fit. `log` may be null.
    DeviceProcessor(std::unique_ptr<kernels::cuda::Device> device, const Model& model,
                    const std::function<void(std::string_view)>& log, const DeviceStepOptions& options = {});

    std::string_view name() const override { return m_name; }
    /// Half of the device's free memory without the buffers of a step: a comparison beside the conversation has a cache
    /// of its own.
    std::int64_t roomForKeysAndValues(const ForwardLimits& limits) const override;
    std::optional<double> measureCopyBandwidth() override;
    std::unique_ptr<ForwardPass> makeForwardPass(const Model& model, const ForwardLimits& limits,
                                                 std::int64_t kv_pages) override;

private:
    std::unique_ptr<kernels::cuda::Device> m_device;
    std::string m_name;
    ModelConfig m_config;
    DeviceWeights m_weights;
    DeviceStepOptions m_options;
};

/// GB/s, read and written, at which the device copies within its memory; half of what is free, 1 GiB at most, is used.
double measureCopyBandwidth(kernels::cuda::Device& device);

/// On CUDA device `index`. Throws Error, with the reason, when there is none that can be used.
std::unique_ptr<Processor> makeCudaProcessor(const Model& model, int index,
                                             const std::function<void(std::string_view)>& log);

}  // namespace mixoscope
