// A routing policy at work on one lane: what its rules remember of the lane and the room they work in.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/routing_policy.h"

namespace mixoscope {

class LaneRouting {
public:
    /// `most_rows`: of the lane in one step. Rows with the same LaneRouting in one step are a dispatch group: what
    /// capacity is counted over.
    LaneRouting(std::shared_ptr<const RoutingPolicy> policy, const ModelConfig& config, std::int64_t most_rows);

    const RoutingPolicy& policy() const { return *m_policy; }

    // For each MoE layer (trace index) of a step, with the lane's rows in ascending position; nothing is allocated.
    /// Before the softmax of the logits.
    void adjust(int layer, std::span<RoutedRow> rows) const;
    /// After it: fills ids, weights and flags.
    void route(int layer, std::span<RoutedRow> rows);
    /// What route() would do to a row of this token, if it is no more than this.
    std::optional<LikeliestExperts> likeliestAt(int layer, const RoutedRow& row) const;
    /// Of a row that was routed.
    kernels::SelectionFacts describe(const RoutedRow& row);

    /// Forgets the lane's rows.
    void restart();

private:
    void removeExperts(std::span<RoutedRow> rows) const;
    void gather(std::size_t part, int layer, std::span<RoutedRow> rows);
    void finish(const ChoosingRule& rule, int layer, RoutedRow& row);
    bool force(int layer, RoutedRow& row);

    std::shared_ptr<const RoutingPolicy> m_policy;
    std::vector<std::unique_ptr<RuleState>> m_states;  // of the choosing parts
    std::vector<RoutedRow*> m_rows;                    // those on which a part acts
    std::vector<std::int32_t> m_ids;                   // (slots)
};

}  // namespace mixoscope
