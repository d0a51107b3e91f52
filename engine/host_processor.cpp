#include "engine/host_processor.h"

#include <limits>

#include "engine/forward.h"
#include "engine/memory_plan.h"

namespace mixoscope {

namespace {

class HostForwardPass final : public ForwardPass {
public:
    HostForwardPass(const Model& model, kernels::Backend& backend, const ForwardLimits& limits, std::int64_t kv_pages)
        : m_model(model), m_backend(backend), m_cache(model.config, kv_pages), m_activations(model.config, limits) {}

    KvCache& cache() override { return m_cache; }
    bool sameBitsInAnySteps() const override { return true; }
    kernels::RowsIn run(std::span<const ForwardRow> rows, RoutingRecord* record) override {
        return forward(m_model, m_backend, m_cache, rows, m_activations, record);
    }

private:
    const Model& m_model;
    kernels::Backend& m_backend;
    KvCache m_cache;
    Activations m_activations;
};

}  // namespace

std::int64_t HostProcessor::roomForKeysAndValues(const ForwardLimits& /*limits*/) const {
    const std::int64_t available = availableMemoryBytes();
    return available > 0 ? available / 2 : std::numeric_limits<std::int64_t>::max();
}

std::unique_ptr<ForwardPass> HostProcessor::makeForwardPass(const Model& model, const ForwardLimits& limits,
                                                            std::int64_t kv_pages) {
    return std::make_unique<HostForwardPass>(model, m_backend, limits, kv_pages);
}

}  // namespace mixoscope
