// Forward passes on a device that holds a model's weights.
#pragma once

#include "engine/activations.h"
#include "engine/device_memory.h"
#include "engine/device_weights.h"
#include "engine/processor.h"
#include "kernels/backend.h"

namespace mixoscope {

/// How steps are run on a device; results do not depend on it.
struct DeviceStepOptions {
    kernels::cuda::StepLaunch launch = kernels::cuda::StepLaunch::kTogether;
    bool prefetch = true;  // ask for the next phase's weights before waiting for the grid
    bool times = false;    // note when each phase begins
};

/// A phase of the last step and when it began, in nanoseconds of the device's clock; 0 where there is no clock.
struct PhaseTime {
    kernels::cuda::PhaseOfLayer phase;
    std::uint64_t began = 0;
    std::uint64_t ended = 0;
};

class DeviceForwardPass final : public ForwardPass {
public:
    /// Device, weights and model must outlive it. Throws Error when the memory is too little.
    DeviceForwardPass(kernels::cuda::Device& device, const DeviceWeights& weights, const Model& model,
                      const ForwardLimits& limits, std::int64_t kv_pages, const DeviceStepOptions& options);

    KvCache& cache() override { return m_cache; }
    bool sameBitsInAnySteps() const override { return false; }
    /// Experts are chosen on the device where every row's policy is "the likeliest"; else on the host, which then waits
    /// for the device in every MoE layer.
    kernels::RowsIn run(std::span<const ForwardRow> rows, RoutingRecord* record) override;

    /// With options.times: of the last step that was routed on the device.
    std::vector<PhaseTime> phaseTimes() const;

    /// Bytes on the device, the cache's apart.
    static std::int64_t bufferBytes(const kernels::cuda::Device& device, const ModelConfig& config,
                                    const DeviceWeights& weights, const ForwardLimits& limits);

private:
    void makeProgram();
    void placeBuffers();
    void placeTraces();
    void runPhases(std::int32_t begin, std::int32_t end);
    void routeOnHost(class StepRouting& routing, std::int64_t rows);
    void copyTraces(class StepRouting& routing, std::int64_t rows);

    kernels::cuda::Device& m_device;
    const DeviceWeights& m_weights;
    const Model& m_model;
    ForwardLimits m_limits;
    DeviceStepOptions m_options;
    KvCache m_cache;
    Activations m_activations;  // the host's part in routing, and the logits
    std::unique_ptr<kernels::Backend> m_host;
    DeviceMemory m_buffers;
    DeviceMemory m_program_memory;
    DeviceMemory m_layers;
    DeviceMemory m_input;
    DeviceMemory m_pinned_input;
    DeviceMemory m_pinned_logits;
    DeviceMemory m_traces;
    kernels::cuda::StepArguments m_step;
    /// All phases; those of a step whose rows are independent begin at m_independent_begin, the others before it.
    std::vector<kernels::cuda::PhaseOfLayer> m_program;
    std::int32_t m_independent_begin = 0;
    std::int32_t m_begin = 0;  // of the step under way
    std::int32_t m_end = 0;
    std::int16_t* m_trace_ids = nullptr;
};

}  // namespace mixoscope
