// Forward passes on the host.
#pragma once

#include "engine/processor.h"
#include "kernels/backend.h"

namespace mixoscope {

class HostProcessor final : public Processor {
public:
    explicit HostProcessor(std::unique_ptr<kernels::Backend> backend)
        : m_owned(std::move(backend)), m_backend(*m_owned) {}
    /// `backend` must outlive the forward passes.
    explicit HostProcessor(kernels::Backend& backend) : m_backend(backend) {}

    std::string_view name() const override { return m_backend.name(); }
    /// Half of the free memory.
    std::int64_t roomForKeysAndValues(const ForwardLimits& limits) const override;
    std::unique_ptr<ForwardPass> makeForwardPass(const Model& model, const ForwardLimits& limits,
                                                 std::int64_t kv_pages) override;

private:
    std::unique_ptr<kernels::Backend> m_owned;
    kernels::Backend& m_backend;
};

}  // namespace mixoscope
