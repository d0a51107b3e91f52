#include "engine/device_forward_pass.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "engine/device_step_input.h"
#include "engine/memory_plan.h"
#include "engine/step_routing.h"

namespace mixoscope {

namespace {

using kernels::cuda::DeviceLayer;
using kernels::cuda::PhaseOfLayer;
using kernels::cuda::StepArguments;
using kernels::cuda::StepPhase;

class DeviceKvMemory final : public KvMemory {
public:
    DeviceKvMemory(kernels::cuda::Device& device, std::int64_t bytes)
        : m_device(device), m_memory(device, bytes, "the KV cache") {
        requireDevice(device, device.clear(m_memory.data(), bytes));
    }
    float* data() const override { return reinterpret_cast<float*>(m_memory.data()); }
    void copy(const float* from, float* to, std::int64_t floats) override {
        requireDevice(m_device,
                      m_device.copyWithin(reinterpret_cast<std::byte*>(to), reinterpret_cast<const std::byte*>(from),
                                          floats * static_cast<std::int64_t>(sizeof(float))));
    }

private:
    kernels::cuda::Device& m_device;
    DeviceMemory m_memory;
};

std::int32_t widestIntermediate(const DeviceWeights& weights) {
    std::int32_t widest = 0;
    for (const DeviceLayer& layer : weights.layers()) widest = std::max(widest, layer.intermediate);
    return widest;
}

/// Rows times key-value heads whose attention may be spread over the blocks of a device with so many multiprocessors.
std::int64_t attentionSlots(const ModelConfig& config, const ForwardLimits& limits, std::int32_t multiprocessors) {
    return std::min<std::int64_t>(limits.rows * config.num_key_value_heads,
                                  std::int64_t{kernels::cuda::kAttentionSlotsPerBlock} * multiprocessors);
}

/// The buffers of the largest step, in the memory of `layout`.
void layOut(ArrayLayout& layout, const ModelConfig& config, std::int32_t widest_intermediate,
            const ForwardLimits& limits, std::int32_t multiprocessors, StepArguments& step) {
    const std::int64_t rows = limits.rows;
    const std::int64_t slots = std::max<std::int64_t>(limits.slots, 1);
    const std::int64_t query_width = config.num_attention_heads * config.head_dim;
    const std::int64_t key_width = config.num_key_value_heads * config.head_dim;
    step.hidden = layout.take<float>(rows * config.hidden_size);
    step.queries = layout.take<float>(rows * query_width);
    step.keys = layout.take<float>(rows * key_width);
    step.values = layout.take<float>(rows * key_width);
    step.attended = layout.take<float>(rows * query_width);
    const std::int64_t slots_of_attention = attentionSlots(config, limits, multiprocessors);
    const std::int64_t group = config.num_attention_heads / config.num_key_value_heads;
    step.attention_slots = static_cast<std::int32_t>(slots_of_attention);
    step.attention_parts =
        layout.take<float>(slots_of_attention * group * kernels::cuda::kMaxAttentionParts * (config.head_dim + 2));
    step.router_logits = layout.take<float>(rows * config.num_experts);
    step.expert_ids = layout.take<std::int32_t>(rows * slots);
    step.expert_weights = layout.take<float>(rows * slots);
    step.expert_hidden = layout.take<float>(rows * slots * kernels::cuda::paddedColumns(widest_intermediate));
    step.logits = layout.take<float>(limits.logit_rows * config.vocab_size);
    step.parts_done = layout.take<std::uint32_t>(rows * config.num_key_value_heads);
    step.grid_arrived = layout.take<std::uint32_t>(1);
}

std::vector<PhaseOfLayer> programFor(const std::vector<DeviceLayer>& layers, bool independent_rows) {
    std::vector<PhaseOfLayer> program{{StepPhase::kEmbed, 0}};
    for (std::int32_t index = 0; index < std::ssize(layers); ++index) {
        program.push_back({StepPhase::kQueryKeyValue, index});
        if (!independent_rows) program.push_back({StepPhase::kStoreKeyValue, index});
        program.push_back({StepPhase::kAttention, index});
        program.push_back({StepPhase::kAttentionOutput, index});
        if (layers[static_cast<std::size_t>(index)].moe_layer >= 0) {
            program.push_back({StepPhase::kRouterLogits, index});
            program.push_back({StepPhase::kRoute, index});
        }
        program.push_back({StepPhase::kGateUp, index});
        program.push_back({StepPhase::kDown, index});
    }
    program.push_back({StepPhase::kLogits, 0});
    return program;
}

template <typename T>
void copyAll(kernels::cuda::Device& device, const DeviceMemory& to, const std::vector<T>& values) {
    requireDevice(device,
                  device.copyToDevice(to.data(), values.data(), static_cast<std::int64_t>(values.size() * sizeof(T))));
}

template <typename T>
std::int64_t bytesOf(const std::vector<T>& values) {
    return static_cast<std::int64_t>(values.size() * sizeof(T));
}

ForwardLimits withSlots(const ModelConfig& config, ForwardLimits limits) {
    if (limits.slots == 0) limits.slots = config.num_experts_per_tok;
    return limits;
}

}  // namespace

std::int64_t DeviceForwardPass::bufferBytes(const kernels::cuda::Device& device, const ModelConfig& config,
                                            const DeviceWeights& weights, const ForwardLimits& limits) {
    StepArguments unused;
    ArrayLayout layout(nullptr);
    layOut(layout, config, widestIntermediate(weights), withSlots(config, limits), device.info().multiprocessors,
           unused);
    return layout.bytes();
}

DeviceForwardPass::DeviceForwardPass(kernels::cuda::Device& device, const DeviceWeights& weights, const Model& model,
                                     const ForwardLimits& limits, std::int64_t kv_pages,
                                     const DeviceStepOptions& options)
    : m_device(device),
      m_weights(weights),
      m_model(model),
      m_limits(withSlots(model.config, limits)),
      m_options(options),
      m_cache(model.config, kv_pages, std::make_unique<DeviceKvMemory>(device, kvCacheBytes(model.config, kv_pages))),
      m_activations(model.config, m_limits),
      m_host(kernels::makeCpuBackend(1)) {
    const ModelConfig& config = model.config;
    m_step.hidden_size = static_cast<std::int32_t>(config.hidden_size);
    m_step.heads = static_cast<std::int32_t>(config.num_attention_heads);
    m_step.kv_heads = static_cast<std::int32_t>(config.num_key_value_heads);
    m_step.head_dim = static_cast<std::int32_t>(config.head_dim);
    m_step.experts = static_cast<std::int32_t>(config.num_experts);
    m_step.slots = static_cast<std::int32_t>(m_limits.slots);
    m_step.moe_layers = static_cast<std::int32_t>(config.moeLayerCount());
    m_step.norm_epsilon = config.rms_norm_eps;
    m_step.embedding = weights.embedding();
    m_step.output = weights.output();
    m_step.final_norm = weights.finalNorm();
    m_step.prefetch = options.prefetch ? 1 : 0;
    if (!kernels::cuda::fitTiles(m_step, device)) {
        throw Error({.what = "A row of this model does not fit into the shared memory of the device",
                     .where = device.info().name,
                     .expected = "at most " + describeBytes(device.info().shared_bytes),
                     .found = describeBytes(device.stepSharedBytes(m_step)),
                     .advice = "Choose the back end cpu"});
    }
    placeBuffers();
    placeTraces();
    makeProgram();
    requireDevice(device, device.synchronise());
}

void DeviceForwardPass::placeBuffers() {
    const ModelConfig& config = m_model.config;
    m_buffers = DeviceMemory(m_device, bufferBytes(m_device, config, m_weights, m_limits), "the buffers of a step");
    requireDevice(m_device, m_device.clear(m_buffers.data(), m_buffers.bytes()));
    ArrayLayout layout(m_buffers.data());
    layOut(layout, config, widestIntermediate(m_weights), m_limits, m_device.info().multiprocessors, m_step);

    // A sequence of a step has a row whose logits may be wanted.
    const std::int64_t pages = std::min(m_limits.rows, m_limits.logit_rows) * m_cache.pageCount();
    const std::int64_t input_bytes = deviceStepInputBytes(config, m_limits.rows, pages);
    m_input = DeviceMemory(m_device, input_bytes, "the rows of a step");
    m_pinned_input = DeviceMemory(m_device, input_bytes, "the rows of a step", DeviceMemoryKind::kPinnedHost);
    m_pinned_logits = DeviceMemory(m_device, m_limits.logit_rows * config.vocab_size * 4, "the logits",
                                   DeviceMemoryKind::kPinnedHost);
    m_step.input = m_input.data();

    std::vector<DeviceLayer> layers = m_weights.layers();
    for (std::size_t index = 0; index < layers.size(); ++index) {
        const kernels::KvLayer cache = m_cache.layer(static_cast<std::int64_t>(index));
        layers[index].keys = cache.keys;
        layers[index].values = cache.values;
    }
    m_layers = DeviceMemory(m_device, bytesOf(layers), "the list of layers");
    copyAll(m_device, m_layers, layers);
    m_step.layers = reinterpret_cast<const DeviceLayer*>(m_layers.data());
}

void DeviceForwardPass::placeTraces() {
    const std::int64_t layers = m_limits.rows * m_step.moe_layers;
    const auto lay = [&](std::byte* memory) {
        ArrayLayout layout(memory);
        m_trace_ids = layout.take<std::int16_t>(layers * m_step.slots);
        m_step.trace_weights = layout.take<float>(layers * m_step.slots);
        m_step.trace_logits = layout.take<float>(layers * m_step.experts);
        m_step.trace_probabilities = layout.take<float>(layers * m_step.experts);
        m_step.phase_times = layout.take<std::uint64_t>(programFor(m_weights.layers(), false).size() * 2 + 1);
        return layout.bytes();
    };
    m_traces = DeviceMemory(m_device, lay(nullptr), "the traces of a step", DeviceMemoryKind::kPinnedHost);
    lay(m_traces.data());
    if (!m_options.times) m_step.phase_times = nullptr;
}

void DeviceForwardPass::makeProgram() {
    m_program = programFor(m_weights.layers(), false);
    m_independent_begin = static_cast<std::int32_t>(m_program.size());
    for (const PhaseOfLayer& phase : programFor(m_weights.layers(), true)) m_program.push_back(phase);
    m_program_memory = DeviceMemory(m_device, bytesOf(m_program), "the list of phases");
    copyAll(m_device, m_program_memory, m_program);
    m_step.program = reinterpret_cast<const PhaseOfLayer*>(m_program_memory.data());
}

void DeviceForwardPass::runPhases(std::int32_t begin, std::int32_t end) {
    if (begin == end) return;
    m_step.program_begin = begin;
    m_step.program_end = end;
    requireDevice(m_device, m_device.runStep(m_step, m_options.launch));
}

kernels::RowsIn DeviceForwardPass::run(std::span<const ForwardRow> rows, RoutingRecord* record) {
    assert(!rows.empty() && std::ssize(rows) <= m_limits.rows);
    const auto count = std::ssize(rows);
    const PackedStep packed = packDeviceStep(m_model.config, m_model.rotary, rows,
                                             {m_pinned_input.data(), static_cast<std::size_t>(m_pinned_input.bytes())});
    requireDevice(m_device, m_device.copyToDevice(m_input.data(), m_pinned_input.data(), packed.bytes));
    m_begin = packed.independent_rows ? m_independent_begin : 0;
    m_end = packed.independent_rows ? static_cast<std::int32_t>(m_program.size()) : m_independent_begin;
    if (packed.logit_rows == 0) --m_end;  // the last phase
    StepRouting routing(m_model.config, rows, m_activations, record);
    m_step.trace_ids = packed.routed_by_device && record != nullptr ? m_trace_ids : nullptr;
    if (packed.routed_by_device) {
        runPhases(m_begin, m_end);
    } else {
        routeOnHost(routing, count);
    }
    const std::int64_t logit_bytes = packed.logit_rows * m_model.config.vocab_size * 4;
    if (packed.logit_rows > 0) {
        requireDevice(m_device, m_device.copyToHost(m_pinned_logits.data(),
                                                    reinterpret_cast<const std::byte*>(m_step.logits), logit_bytes));
    }
    requireDevice(m_device, m_device.synchronise());
    if (m_step.trace_ids != nullptr) copyTraces(routing, count);
    return {reinterpret_cast<const float*>(m_pinned_logits.data()), packed.logit_rows, m_model.config.vocab_size};
}

/// The phases between two choices run on the device; for each choice the host gets the router's logits and what the
/// router saw, and gives back ids and weights.
void DeviceForwardPass::routeOnHost(StepRouting& routing, std::int64_t rows) {
    const auto copyToHost = [&](const kernels::RowsOut& to, const float* from) {
        requireDevice(m_device, m_device.copyToHost(to.data, reinterpret_cast<const std::byte*>(from),
                                                    to.count * to.columns * 4));
    };
    std::int32_t begin = m_begin;
    for (std::int32_t index = m_begin; index < m_end; ++index) {
        const PhaseOfLayer& at = m_program[static_cast<std::size_t>(index)];
        if (at.phase != StepPhase::kRoute) continue;
        runPhases(begin, index);
        begin = index + 1;
        copyToHost(m_activations.router(rows), m_step.router_logits);
        copyToHost(m_activations.hidden(rows), m_step.hidden);
        requireDevice(m_device, m_device.synchronise());
        const LayerWeights& layer = m_model.weights.layers[static_cast<std::size_t>(at.layer)];
        m_host->rmsNorm(m_activations.hidden(rows), layer.post_attention_norm, m_model.config.rms_norm_eps,
                        m_activations.normed(rows));
        routing.choose(m_weights.layers()[static_cast<std::size_t>(at.layer)].moe_layer, *m_host);
        const std::int64_t bytes = rows * m_limits.slots * 4;
        requireDevice(m_device, m_device.copyToDevice(reinterpret_cast<std::byte*>(m_step.expert_ids),
                                                      m_activations.expertIds().data(), bytes));
        requireDevice(m_device, m_device.copyToDevice(reinterpret_cast<std::byte*>(m_step.expert_weights),
                                                      m_activations.weights(rows).data, bytes));
    }
    runPhases(begin, m_end);
}

/// What the device chose, layer by layer, into the record.
void DeviceForwardPass::copyTraces(StepRouting& routing, std::int64_t rows) {
    const std::int64_t slots = m_step.slots;
    const std::int64_t experts = m_step.experts;
    for (std::int64_t layer = 0; layer < m_step.moe_layers; ++layer) {
        for (std::int64_t row = 0; row < rows; ++row) {
            const std::int64_t at = row * m_step.moe_layers + layer;
            RoutedRow& routed = m_activations.routedRows()[static_cast<std::size_t>(row)];
            std::copy_n(m_trace_ids + at * slots, slots, routed.ids.begin());
            std::copy_n(m_step.trace_weights + at * slots, slots, routed.weights.begin());
            std::copy_n(m_step.trace_logits + at * experts, experts, routed.logits.begin());
            std::copy_n(m_step.trace_probabilities + at * experts, experts, routed.probabilities.begin());
        }
        routing.noteLikeliest(layer);
    }
}

std::vector<PhaseTime> DeviceForwardPass::phaseTimes() const {
    std::vector<PhaseTime> times;
    if (m_step.phase_times == nullptr) return times;
    for (std::int32_t index = m_begin; index < m_end; ++index)
        times.push_back(
            {m_program[static_cast<std::size_t>(index)], m_step.phase_times[index], m_step.phase_times[index + 1]});
    return times;
}

}  // namespace mixoscope
