// The probes check themselves: conservation laws that a complete recording fulfils. A broken one is shown, never
// hidden.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/step_trace.h"

namespace mixoscope {

enum class CheckKind : std::uint8_t {
    kSelections,  // selections counted = rows × layers × k − those that did not run
    kLayers,      // MoE layers seen in every row
    kWeightSums,  // weights sum to 1, where the policy makes them so
    kStepGaps,    // serial numbers without gaps
    kRing,        // no record overwritten before it was read
};

struct CheckResult {
    CheckKind kind;
    bool holds = true;
    bool ran = false;         // false: nothing to check yet; never shown as good
    std::string name;         // "Selections counted"
    std::string equation;     // with its numbers: "89,856 = 234 × 48 × 8 − 0"
    std::string violation;    // "8 of 89,856 selections missing: layer 31, position 12"
    std::int32_t layer = -1;  // where the first violation is (trace layer), −1 none
    std::int32_t position = -1;
};

/// Over all lanes of a generation: serial numbers are shared by them.
class TraceChecks {
public:
    /// `weights_sum_to_one`: norm_topk_prob. `experts_per_token`: the model's own k, which the policy `model` selects;
    /// < 0: unknown. Where k is unknown or varies, RouterFacts::active says how many selections of a row must have run.
    TraceChecks(const TraceShape& shape, bool weights_sum_to_one, std::int32_t experts_per_token = -1);
    /// The policy that a lane starts with; changes come as events.
    void setPolicy(LaneId lane, std::string_view policy);
    void add(const StepTrace& trace);
    void addEvent(const LaneEvent& event);
    /// `ring_capacity` 0: a recording, of which only the loss is known.
    std::vector<CheckResult> results(std::int64_t ring_lost, std::size_t ring_peak, std::size_t ring_capacity) const;
    void clear();

private:
    struct Place {
        std::int32_t layer = -1;
        std::int32_t position = -1;
        bool known() const { return position >= 0; }
    };
    void addSerial(std::int64_t serial);
    void addLayer(const StepTrace& trace, std::int32_t layer, std::int32_t k, bool& row_complete);
    std::int32_t expectedPerLayer(LaneId lane, Step step);
    CheckResult selections() const;
    CheckResult layers() const;
    CheckResult weightSums() const;
    CheckResult stepGaps() const;

    TraceShape m_shape;
    bool m_weights_sum_to_one;
    std::int32_t m_experts_per_token;
    /// k of a lane's policy (−1: varies or unknown), and the one that follows it from a later step on: a change is told
    /// before the rows of the step that was already computed.
    struct PolicyK {
        std::int32_t now = -1;
        std::int32_t later = -1;
        Step later_from = -1;  // −1: no change is due
    };
    std::map<LaneId, PolicyK> m_policy_k;
    std::int64_t m_rows = 0;
    std::int64_t m_selections = 0;
    std::int64_t m_expected_selections = 0;
    std::int64_t m_dropped = 0;       // selections that did not run
    std::int64_t m_wrong_layers = 0;  // layers of a row with another number of selections than expected
    std::int32_t m_smallest_k = -1;
    std::int32_t m_largest_k = -1;
    std::int64_t m_incomplete_rows = 0;
    std::int64_t m_weighed_layers = 0;    // layers of rows whose weights were to sum to 1
    std::int64_t m_unweighed_layers = 0;  // layers of rows whose weights were not recorded
    double m_worst_weight_sum = 0.0;      // max |Σw − 1|
    std::int64_t m_first_serial = -1;
    std::int64_t m_next_serial = 0;
    std::int64_t m_missing_serials = 0;
    std::int64_t m_disordered_serials = 0;
    std::int64_t m_first_gap = -1;
    Place m_bad_selections;
    Place m_bad_row;
    Place m_bad_weights;
};

}  // namespace mixoscope
