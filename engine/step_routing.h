// The choice of experts for a step's rows, lane by lane, on the host.
#pragma once

#include <cstdint>
#include <span>

#include "engine/activations.h"
#include "engine/config.h"
#include "engine/forward_row.h"
#include "engine/routing_record.h"
#include "kernels/backend.h"

namespace mixoscope {

class StepRouting {
public:
    /// The rows of one lane lie side by side; `record` may be null. All must outlive it. Allocates nothing.
    StepRouting(const ModelConfig& config, std::span<const ForwardRow> rows, Activations& activations,
                RoutingRecord* record);

    /// From the router logits in the activations to expertIds() and weights() there, and into the record. `backend`
    /// makes probabilities of the logits.
    void choose(std::int64_t moe_layer, kernels::Backend& backend);
    /// What a device chose, and lies in the activations, into the record. Each row's policy is no more than "the
    /// likeliest experts" in this layer (LaneRouting::likeliestAt).
    void noteLikeliest(std::int64_t moe_layer);

private:
    void note(std::int64_t moe_layer);
    void describeRows();
    std::int64_t count() const { return static_cast<std::int64_t>(m_rows.size()); }
    template <typename Work>
    void forEachLane(const Work& work);

    std::span<const ForwardRow> m_rows;
    Activations& m_activations;
    RoutingRecord* m_record;
};

}  // namespace mixoscope
