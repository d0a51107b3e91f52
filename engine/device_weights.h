// A model's weights on a device.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "engine/device_memory.h"
#include "engine/model.h"
#include "kernels/cuda/step.h"

namespace mixoscope {

/// Bytes that these weights take on a device.
std::int64_t deviceWeightBytes(const Weights& weights);

/// Brings a matrix to its place on the device; kernels::cuda::uploadMatrix unless something else is to be there.
using MatrixUpload = std::function<kernels::cuda::DeviceStatus(kernels::cuda::Device& device, const kernels::Matrix& w,
                                                               std::byte* to, kernels::cuda::DeviceMatrix& uploaded)>;

/// Const once it is there; shared by all forward passes.
class DeviceWeights {
public:
    /// Throws Error when they do not fit, before anything is copied. `log`, if set, is told how far it is.
    DeviceWeights(kernels::cuda::Device& device, const Weights& weights,
                  const std::function<void(std::string_view)>& log, const MatrixUpload& upload = nullptr);

    const kernels::cuda::DeviceMatrix& embedding() const { return m_embedding; }
    const kernels::cuda::DeviceMatrix& output() const { return m_output; }
    const float* finalNorm() const { return m_final_norm; }
    /// Without their places in a cache.
    const std::vector<kernels::cuda::DeviceLayer>& layers() const { return m_layers; }
    std::int64_t bytes() const { return m_memory.bytes(); }

private:
    DeviceMemory m_memory;
    kernels::cuda::DeviceMatrix m_embedding;
    kernels::cuda::DeviceMatrix m_output;
    const float* m_final_norm = nullptr;
    std::vector<kernels::cuda::DeviceLayer> m_layers;
};

}  // namespace mixoscope
