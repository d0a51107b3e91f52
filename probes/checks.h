// The probes check themselves: conservation laws that a complete recording fulfils. A broken one is shown, never hidden.
#pragma once

#include "engine/step_trace.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mixoscope {

enum class CheckKind : std::uint8_t {
    kSelections,   // selections counted = rows × layers × k − dropped
    kLayers,       // MoE layers seen in every row
    kWeightSums,   // renormalised weights sum to 1
    kStepGaps,     // serial numbers without gaps
    kRing,         // no record overwritten before it was read
};

struct CheckResult {
    CheckKind kind;
    bool holds = true;
    bool ran = false;         // false: nothing to check yet; never shown as good
    std::string name;         // "Selections counted"
    std::string equation;     // with its numbers: "89,856 = 234 × 48 × 8 − 0"
    std::string violation;    // "8 of 89,856 selections missing: layer 31, position 12"
    std::int32_t layer = -1;     // where the first violation is, −1 none
    std::int32_t position = -1;
};

class TraceChecks {
public:
    /// `experts_per_token` < 0: policies with a variable number; `weights_sum_to_one`: norm_topk_prob.
    TraceChecks(const TraceShape& shape, bool weights_sum_to_one, std::int32_t experts_per_token = -1);
    void add(const StepTrace& trace);
    void addEvent(const LaneEvent& event);
    std::vector<CheckResult> results(std::int64_t ring_lost, std::size_t ring_peak, std::size_t ring_capacity) const;
    void clear();

private:
    TraceShape m_shape;
    bool m_weights_sum_to_one;
    std::int32_t m_experts_per_token;
    std::int64_t m_rows = 0;
    std::int64_t m_selections = 0;
    std::int64_t m_expected_selections = 0;
    std::int64_t m_dropped = 0;
    std::int64_t m_incomplete_rows = 0;
    double m_worst_weight_sum = 0.0;   // max |Σw − 1|
    std::int64_t m_next_serial = 0;
    std::int64_t m_missing_serials = 0;
    std::int32_t m_first_bad_layer = -1;
    std::int32_t m_first_bad_position = -1;
};

}  // namespace mixoscope
