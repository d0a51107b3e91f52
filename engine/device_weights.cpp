#include "engine/device_weights.h"

#include <span>

#include "engine/memory_plan.h"
#include "kernels/cuda/upload.h"

namespace mixoscope {

namespace {

using kernels::cuda::DeviceExpert;
using kernels::cuda::DeviceLayer;
using kernels::cuda::DeviceMatrix;

/// Walks over all weights in one order, to count their bytes and to copy them. Without a device nothing is copied.
class WeightWalk {
public:
    WeightWalk(kernels::cuda::Device* device, std::byte* memory, const MatrixUpload& upload,
               const std::function<void(std::string_view)>& log, std::int64_t total)
        : m_device(device), m_layout(memory), m_upload(upload), m_log(log), m_total(total) {}

    DeviceMatrix matrix(const kernels::Matrix& w) {
        DeviceMatrix uploaded;
        auto* to = m_layout.take<std::byte>(kernels::cuda::deviceBytes(w));
        if (m_device == nullptr || w.rows == 0) return uploaded;
        const auto status =
            m_upload ? m_upload(*m_device, w, to, uploaded) : kernels::cuda::uploadMatrix(*m_device, w, to, uploaded);
        requireDevice(*m_device, status);
        report();
        return uploaded;
    }
    const float* vector(std::span<const float> values) {
        if (values.empty()) return nullptr;
        return array(values);
    }
    template <typename T>
    const T* array(std::span<const T> values) {
        T* to = m_layout.take<T>(std::ssize(values));
        if (m_device != nullptr) {
            requireDevice(*m_device, m_device->copyToDevice(reinterpret_cast<std::byte*>(to), values.data(),
                                                            static_cast<std::int64_t>(values.size_bytes())));
        }
        return to;
    }
    std::int64_t bytes() const { return m_layout.bytes(); }

private:
    void report() {
        constexpr std::int64_t kEvery = std::int64_t{1} << 30;
        if (!m_log || m_layout.bytes() - m_reported < kEvery) return;
        m_reported = m_layout.bytes();
        m_log("copying weights to the device: " + describeBytes(m_reported) + " of " + describeBytes(m_total));
    }
    kernels::cuda::Device* m_device;
    ArrayLayout m_layout;
    const MatrixUpload& m_upload;
    const std::function<void(std::string_view)>& m_log;
    std::int64_t m_total;
    std::int64_t m_reported = 0;
};

DeviceLayer placeLayer(WeightWalk& walk, const LayerWeights& weights, std::int32_t moe_layer) {
    DeviceLayer layer;
    layer.input_norm = walk.vector(weights.input_norm);
    layer.post_attention_norm = walk.vector(weights.post_attention_norm);
    layer.q_norm = walk.vector(weights.q_norm);
    layer.k_norm = walk.vector(weights.k_norm);
    layer.q_bias = walk.vector(weights.q_bias);
    layer.k_bias = walk.vector(weights.k_bias);
    layer.v_bias = walk.vector(weights.v_bias);
    layer.o_bias = walk.vector(weights.o_bias);
    layer.q_proj = walk.matrix(weights.q_proj);
    layer.k_proj = walk.matrix(weights.k_proj);
    layer.v_proj = walk.matrix(weights.v_proj);
    layer.o_proj = walk.matrix(weights.o_proj);
    if (!weights.router.empty()) layer.router = walk.matrix(weights.router);
    std::vector<DeviceExpert> experts;
    for (const kernels::ExpertMatrices& expert : weights.experts)
        experts.push_back({walk.matrix(expert.gate), walk.matrix(expert.up), walk.matrix(expert.down)});
    layer.experts = walk.array(std::span<const DeviceExpert>(experts));
    layer.intermediate = static_cast<std::int32_t>(weights.experts.front().gate.rows);
    layer.moe_layer = weights.router.empty() ? -1 : moe_layer;
    return layer;
}

struct Placed {
    DeviceMatrix embedding;
    DeviceMatrix output;
    const float* final_norm = nullptr;
    std::vector<DeviceLayer> layers;
};

Placed placeAll(WeightWalk& walk, const Weights& weights) {
    Placed placed;
    placed.embedding = walk.matrix(weights.embed_tokens);
    const bool tied = weights.lm_head.data == weights.embed_tokens.data && weights.lm_head.data != nullptr;
    placed.output = tied ? placed.embedding : walk.matrix(weights.lm_head);
    placed.final_norm = walk.vector(weights.final_norm);
    std::int32_t moe_layer = 0;
    for (const LayerWeights& layer : weights.layers) {
        placed.layers.push_back(placeLayer(walk, layer, moe_layer));
        if (!layer.router.empty()) ++moe_layer;
    }
    return placed;
}

}  // namespace

std::int64_t deviceWeightBytes(const Weights& weights) {
    const MatrixUpload upload;
    const std::function<void(std::string_view)> log;
    WeightWalk walk(nullptr, nullptr, upload, log, 0);
    placeAll(walk, weights);
    return walk.bytes();
}

DeviceWeights::DeviceWeights(kernels::cuda::Device& device, const Weights& weights,
                             const std::function<void(std::string_view)>& log, const MatrixUpload& upload)
    : m_memory(device, deviceWeightBytes(weights), "the weights") {
    requireDevice(device, device.clear(m_memory.data(), m_memory.bytes()));  // the padding of rows
    WeightWalk walk(&device, m_memory.data(), upload, log, m_memory.bytes());
    Placed placed = placeAll(walk, weights);
    requireDevice(device, device.synchronise());
    if (log) log(describeBytes(m_memory.bytes()) + " of weights on the device");
    m_embedding = placed.embedding;
    m_output = placed.output;
    m_final_norm = placed.final_norm;
    m_layers = std::move(placed.layers);
}

}  // namespace mixoscope
