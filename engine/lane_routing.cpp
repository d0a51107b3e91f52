#include "engine/lane_routing.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "engine/router_entropy.h"

namespace mixoscope {

LaneRouting::LaneRouting(std::shared_ptr<const RoutingPolicy> policy, const ModelConfig& config, std::int64_t most_rows)
    : m_policy(std::move(policy)) {
    const RuleSizes sizes{.layers = config.moeLayerCount(), .experts = config.num_experts, .rows = most_rows};
    for (const ChoosingPart& part : m_policy->choosing()) m_states.push_back(part.rule->makeState(sizes));
    m_rows.reserve(static_cast<std::size_t>(most_rows));
    m_ids.resize(static_cast<std::size_t>(m_policy->maxSlots()));
}

void LaneRouting::restart() {
    for (const auto& state : m_states) {
        if (state) state->restart();
    }
}

void LaneRouting::adjust(int layer, std::span<RoutedRow> rows) const {
    for (const EditPart& edit : m_policy->edits()) {
        for (RoutedRow& row : rows) {
            if (edit.scope.covers(layer, row)) edit.rule->adjust(layer, row);
        }
    }
}

void LaneRouting::removeExperts(std::span<RoutedRow> rows) const {
    constexpr float kRemoved = -std::numeric_limits<float>::infinity();
    for (RoutedRow& row : rows) {
        for (std::size_t expert = 0; expert < row.logits.size(); ++expert) {
            if (row.logits[expert] == kRemoved) row.probabilities[expert] = -1.0F;
        }
    }
}

void LaneRouting::gather(std::size_t part, int layer, std::span<RoutedRow> rows) {
    const std::span<const ChoosingPart> parts = m_policy->choosing();
    m_rows.clear();
    for (RoutedRow& row : rows) {
        const auto covers = [&](const ChoosingPart& other) { return other.scope.covers(layer, row); };
        if (covers(parts[part]) && std::ranges::none_of(parts.first(part), covers)) m_rows.push_back(&row);
    }
}

/// Puts the forced experts into the row's choice, in place of the least likely ones that are not forced themselves.
/// Returns whether that changed anything.
bool LaneRouting::force(int layer, RoutedRow& row) {
    const auto forced = [&](std::int32_t expert) {
        return std::ranges::any_of(m_policy->edits(), [&](const EditPart& edit) {
            return edit.scope.covers(layer, row) && std::ranges::binary_search(edit.rule->forced(layer), expert);
        });
    };
    bool changed = false;
    for (const EditPart& edit : m_policy->edits()) {
        if (!edit.scope.covers(layer, row)) continue;
        for (const std::int32_t expert : edit.rule->forced(layer)) {
            const std::span<std::int32_t> running = runningIds(row);
            if (std::ranges::find(running, expert) != running.end()) continue;
            changed = true;
            // A selection that was not to run gives its place to the same one that does.
            const auto idle = std::ranges::find(row.ids, notRunId(expert));
            if (idle != row.ids.end()) {
                std::move_backward(row.ids.begin() + std::ssize(running), idle, idle + 1);
                row.ids[running.size()] = expert;
                continue;
            }
            const auto last = std::find_if_not(running.rbegin(), running.rend(), forced);
            if (last != running.rend()) {
                *last = expert;
            } else {
                assert(row.ids.back() == -1);
                std::move_backward(row.ids.begin() + std::ssize(running), row.ids.end() - 1, row.ids.end());
                row.ids[running.size()] = expert;
            }
        }
    }
    if (changed) kernels::sortByRank(row.probabilities, runningIds(row));
    return changed;
}

void LaneRouting::finish(const ChoosingRule& rule, int layer, RoutedRow& row) {
    if (!m_policy->edits().empty() && force(layer, row)) row.flags |= layer_flag::kForced;
    if (!rule.weigh(row)) row.flags |= layer_flag::kOwnSum;
    if (row.ids.empty() || row.ids.front() < 0) row.flags |= layer_flag::kNone;
    if ((row.flags & layer_flag::kVirtual) != 0) return;
    if (std::ranges::any_of(row.ids, isNotRun<std::int32_t>)) row.flags |= layer_flag::kDropped;
}

void LaneRouting::route(int layer, std::span<RoutedRow> rows) {
    assert(rows.size() <= m_rows.capacity());
    if (m_policy->removesExperts()) removeExperts(rows);
    const std::span<const ChoosingPart> parts = m_policy->choosing();
    for (std::size_t part = 0; part < parts.size(); ++part) {
        gather(part, layer, rows);
        if (m_rows.empty()) continue;
        parts[part].rule->choose(layer, m_rows, m_states[part].get());
        for (RoutedRow* row : m_rows) finish(*parts[part].rule, layer, *row);
    }
}

std::optional<LikeliestExperts> LaneRouting::likeliestAt(int layer, const RoutedRow& row) const {
    const auto covers = [&](const auto& part) { return part.scope.covers(layer, row); };
    if (std::ranges::any_of(m_policy->edits(), covers)) return std::nullopt;
    const auto part = std::ranges::find_if(m_policy->choosing(), covers);
    assert(part != m_policy->choosing().end());
    return part->rule->asLikeliest();
}

kernels::SelectionFacts LaneRouting::describe(const RoutedRow& row) {
    std::size_t count = 0;
    for (const std::int32_t id : row.ids) {
        if (id == -1) break;
        m_ids[count++] = isNotRun(id) ? notRunId(id) : id;  // the same formula leads back
    }
    const auto chosen = std::span(m_ids).first(count);
    if (count > runningIds(row).size()) kernels::sortByRank(row.probabilities, chosen);
    kernels::SelectionFacts facts = kernels::describeSelection(row.probabilities, chosen);
    const bool first_was_chosen =
        !chosen.empty() && row.probabilities[static_cast<std::size_t>(chosen.front())] == facts.top_probability;
    const std::int32_t likeliest = first_was_chosen ? chosen.front() : facts.next_expert;
    if (likeliest >= 0) facts.entropy = static_cast<float>(normalisedRouterEntropy(row, likeliest));
    return facts;
}

}  // namespace mixoscope
