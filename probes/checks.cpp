#include "probes/checks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace mixoscope {

namespace {

/// Rounding of k f32 weights that were divided by their sum stays far below this for any k up to 512.
constexpr double kWeightSumTolerance = 1e-5;

/// 89856 → "89,856".
std::string grouped(std::int64_t number) {
    std::string digits = std::to_string(number < 0 ? -number : number);
    for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<std::size_t>(at), ",");
    return number < 0 ? "−" + digits : digits;
}

std::string scientific(double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.1e", value);
    return text;
}

std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.1f %%", 100.0 * share);
    return text;
}

CheckResult unrunCheck(CheckKind kind, std::string_view name) {
    CheckResult check{};
    check.kind = kind;
    check.holds = true;
    check.name = name;
    return check;
}

/// k of a policy that selects a fixed number, −1 for one that doesn't.
std::int32_t fixedSelections(std::string_view policy, std::int32_t model_k) {
    if (policy == "model") return model_k;
    constexpr std::string_view top_k = "top-k:k=";
    if (!policy.starts_with(top_k)) return -1;
    // Edits and restrictions to some layers, tokens or positions make the number vary.
    for (const std::string_view part : {"+", ",layers=", ",phase=", ",tokens=", ",positions="})
        if (policy.find(part) != std::string_view::npos) return -1;
    const std::string_view number = policy.substr(top_k.size());
    std::int32_t k = -1;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), k);
    const bool whole = end == number.data() + number.size() || *end == ',';
    return error == std::errc{} && whole && k > 0 ? k : -1;
}

}  // namespace

TraceChecks::TraceChecks(const TraceShape& shape, bool weights_sum_to_one, std::int32_t experts_per_token)
    : m_shape(shape), m_weights_sum_to_one(weights_sum_to_one), m_experts_per_token(experts_per_token) {}

void TraceChecks::setPolicy(LaneId lane, std::string_view policy) {
    m_policy_k[lane] = {.now = fixedSelections(policy, m_experts_per_token)};
}

std::int32_t TraceChecks::expectedPerLayer(LaneId lane, Step step) {
    const auto found = m_policy_k.find(lane);
    if (found == m_policy_k.end()) return m_experts_per_token;
    PolicyK& policy = found->second;
    if (policy.later_from >= 0 && step >= policy.later_from) policy = {.now = policy.later};
    return policy.now;
}

void TraceChecks::addSerial(std::int64_t serial) {
    if (m_first_serial < 0) {
        m_first_serial = m_next_serial = serial;
    }
    if (serial < m_next_serial) {
        ++m_disordered_serials;
        return;
    }
    if (serial > m_next_serial) {
        if (m_first_gap < 0) m_first_gap = m_next_serial;
        m_missing_serials += serial - m_next_serial;
    }
    m_next_serial = serial + 1;
}

void TraceChecks::addLayer(const StepTrace& trace, std::int32_t layer, std::int32_t k, bool& row_complete) {
    const auto slots = static_cast<std::size_t>(m_shape.slots);
    const auto index = static_cast<std::size_t>(layer);
    const Place here{layer, trace.token.position};
    const bool has_router = index < trace.router.size();
    const bool weighed = !trace.expert_weights.empty();
    if ((index + 1) * slots > trace.expert_ids.size() ||
        (weighed && (index + 1) * slots > trace.expert_weights.size()) || !has_router) {
        row_complete = false;
        if (!m_bad_row.known()) m_bad_row = here;
        if (k >= 0) m_expected_selections += k;
        return;
    }
    const RouterFacts& facts = trace.router[index];
    std::int32_t seen = 0;
    std::int32_t not_run = 0;
    double sum = 0.0;
    for (std::size_t slot = index * slots; slot < (index + 1) * slots; ++slot) {
        if (isNotRun(trace.expert_ids[slot])) ++not_run;
        if (trace.expert_ids[slot] < 0) continue;
        ++seen;
        if (weighed) sum += static_cast<double>(trace.expert_weights[slot]);
    }
    const std::int32_t expected = k >= 0 ? k : facts.active + not_run;
    if (k >= 0) {
        m_smallest_k = m_smallest_k < 0 ? k : std::min(m_smallest_k, k);
        m_largest_k = std::max(m_largest_k, k);
    }
    m_expected_selections += expected;
    m_dropped += not_run;
    m_selections += seen;
    const bool said_not_run = (facts.flags & (layer_flag::kDropped | layer_flag::kVirtual)) != 0;
    if (seen + not_run != expected || seen != facts.active || said_not_run != (not_run > 0)) {
        ++m_wrong_layers;
        if (!m_bad_selections.known()) m_bad_selections = here;
    }
    if (seen == 0) {
        if ((facts.flags & layer_flag::kNone) != 0) return;  // so the policy had it
        row_complete = false;
        if (!m_bad_row.known()) m_bad_row = here;
    } else if (!weighed) {
        ++m_unweighed_layers;
    } else if (m_weights_sum_to_one && (facts.flags & layer_flag::kOwnSum) == 0) {
        ++m_weighed_layers;
        const double error = std::abs(sum - 1.0);
        // Written so that a NaN sum counts as broken.
        if (!(error <= kWeightSumTolerance) && !m_bad_weights.known()) m_bad_weights = here;
        // A NaN stays the worst, whatever follows.
        if (!std::isnan(m_worst_weight_sum) && !(error <= m_worst_weight_sum)) m_worst_weight_sum = error;
    }
}

void TraceChecks::add(const StepTrace& trace) {
    addSerial(trace.serial);
    ++m_rows;
    bool complete = true;
    const std::int32_t k = expectedPerLayer(trace.lane, trace.step);
    for (std::int32_t layer = 0; layer < m_shape.moe_layers; ++layer) addLayer(trace, layer, k, complete);
    if (!complete) ++m_incomplete_rows;
}

void TraceChecks::addEvent(const LaneEvent& event) {
    addSerial(event.serial);
    if (event.kind == LaneEventKind::kForked) {
        const auto source = m_policy_k.find(static_cast<LaneId>(event.value));
        if (source != m_policy_k.end())
            m_policy_k[event.lane] = {.now =
                                          source->second.later_from >= 0 ? source->second.later : source->second.now};
    }
    if (event.kind != LaneEventKind::kPolicyChanged) return;
    PolicyK& policy = m_policy_k.try_emplace(event.lane, PolicyK{.now = m_experts_per_token}).first->second;
    if (policy.later_from >= 0) policy.now = policy.later;
    policy.later = fixedSelections(event.text, m_experts_per_token);
    policy.later_from = event.step;
}

CheckResult TraceChecks::selections() const {
    CheckResult check = unrunCheck(CheckKind::kSelections, "Selections counted");
    check.ran = m_rows > 0 && m_shape.moe_layers > 0;
    if (!check.ran) return check;
    check.holds = m_wrong_layers == 0 && m_selections == m_expected_selections - m_dropped;
    const bool fixed = m_smallest_k == m_largest_k && m_smallest_k >= 0 &&
                       m_expected_selections == m_rows * m_shape.moe_layers * m_smallest_k;
    check.equation = grouped(m_selections) + (check.holds ? " = " : " ≠ ") +
                     (fixed ? grouped(m_rows) + " × " + grouped(m_shape.moe_layers) + " × " + grouped(m_smallest_k)
                            : grouped(m_expected_selections)) +
                     " − " + grouped(m_dropped);
    if (check.holds) return check;
    const std::int64_t missing = m_expected_selections - m_dropped - m_selections;
    check.violation = missing != 0 ? grouped(std::abs(missing)) + " of " + grouped(m_expected_selections - m_dropped) +
                                         (missing > 0 ? " selections missing" : " selections too many")
                                   : grouped(m_wrong_layers) + " layers with a wrong number of selections";
    const Place& place = m_bad_selections.known() ? m_bad_selections : m_bad_row;
    check.layer = place.layer;
    check.position = place.position;
    return check;
}

CheckResult TraceChecks::layers() const {
    CheckResult check = unrunCheck(CheckKind::kLayers, "Layers seen");
    check.ran = m_rows > 0 && m_shape.moe_layers > 0;
    if (!check.ran) return check;
    check.holds = m_incomplete_rows == 0;
    check.equation = grouped(m_rows - m_incomplete_rows) + " of " + grouped(m_rows) + " rows with all " +
                     grouped(m_shape.moe_layers) + " MoE layers";
    if (check.holds) return check;
    check.violation = grouped(m_incomplete_rows) + " rows lack a layer";
    check.layer = m_bad_row.layer;
    check.position = m_bad_row.position;
    return check;
}

CheckResult TraceChecks::weightSums() const {
    CheckResult check = unrunCheck(CheckKind::kWeightSums, "Weights sum to 1");
    check.ran = m_weighed_layers > 0;
    if (!check.ran) {
        if (m_unweighed_layers > 0) {
            check.equation = "no weights were recorded";
        } else if (!m_weights_sum_to_one) {
            check.equation = "this model does not renormalise its weights";
        } else if (m_selections > 0) {
            check.equation = "the policy does not renormalise its weights";
        }
        return check;
    }
    check.holds = !m_bad_weights.known();
    check.equation = "largest |Σw − 1| = " + scientific(m_worst_weight_sum) + (check.holds ? " ≤ " : " > ") +
                     scientific(kWeightSumTolerance);
    if (check.holds) return check;
    check.violation = "the weights of a token do not sum to 1";
    check.layer = m_bad_weights.layer;
    check.position = m_bad_weights.position;
    return check;
}

CheckResult TraceChecks::stepGaps() const {
    CheckResult check = unrunCheck(CheckKind::kStepGaps, "Records without gaps");
    check.ran = m_first_serial >= 0;
    if (!check.ran) return check;
    check.holds = m_missing_serials == 0 && m_disordered_serials == 0;
    const std::int64_t expected = m_next_serial - m_first_serial;
    check.equation = grouped(expected - m_missing_serials) + " of " + grouped(expected) + " records";
    if (check.holds) return check;
    check.violation = m_missing_serials > 0
                          ? grouped(m_missing_serials) + " records missing, the first is number " + grouped(m_first_gap)
                          : grouped(m_disordered_serials) + " records out of order";
    return check;
}

std::vector<CheckResult> TraceChecks::results(std::int64_t ring_lost, std::size_t ring_peak,
                                              std::size_t ring_capacity) const {
    CheckResult ring = unrunCheck(CheckKind::kRing, "Trace ring");
    ring.ran = ring_capacity > 0 && m_first_serial >= 0;
    if (ring.ran) {
        ring.holds = ring_lost == 0;
        ring.equation = grouped(ring_lost) + " lost, peak " +
                        percent(static_cast<double>(ring_peak) / static_cast<double>(ring_capacity)) + " full";
        if (!ring.holds) ring.violation = grouped(ring_lost) + " records overwritten before they were read";
    } else if (m_first_serial >= 0 && ring_lost > 0) {
        ring.ran = true;
        ring.holds = false;
        ring.violation = grouped(ring_lost) + " records lost while it was recorded";
    } else if (m_first_serial >= 0) {
        ring.equation = "nothing lost; a recording does not hold how full it was";
    }
    return {selections(), layers(), weightSums(), stepGaps(), std::move(ring)};
}

void TraceChecks::clear() {
    *this = TraceChecks(m_shape, m_weights_sum_to_one, m_experts_per_token);
}

}  // namespace mixoscope
