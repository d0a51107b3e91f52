#include "engine/routing_policy.h"

#include <algorithm>
#include <cassert>
#include <set>

#include "engine/error.h"

namespace mixoscope {

namespace {

/// Some edits act only on some tokens; a token class is decided by those that cover it.
bool covers(const PolicyScope& scope, int layer, int token_class, std::int64_t position) {
    return scope.coversLayer(layer) && (scope.tokens() >> token_class & 1) != 0 && scope.coversPosition(position);
}

/// One position for every set of edits that act together somewhere: none of those named, and where each range begins.
std::vector<std::int64_t> positionsToCheck(const std::vector<EditPart>& edits) {
    constexpr std::int64_t kNotNamed = -1;
    std::set<std::int64_t> named{kNotNamed};
    for (const EditPart& edit : edits) {
        for (const PositionRange& range : edit.scope.positions()) named.insert(range.first);
    }
    std::vector<std::int64_t> positions;
    std::set<std::vector<bool>> known;  // which edits act; a long list of positions repeats few sets
    for (const std::int64_t position : named) {
        std::vector<bool> acting;
        for (const EditPart& edit : edits) acting.push_back(edit.scope.coversPosition(position));
        if (known.insert(std::move(acting)).second) positions.push_back(position);
    }
    return positions;
}

const char* phaseWord(int token_class) {
    constexpr const char* kWords[kPhaseCount] = {"prompt", "thinking", "answer"};
    return kWords[token_class / kTokenKindCount];
}

}  // namespace

RoutingPolicy::RoutingPolicy(std::string text, const ModelConfig& config, std::vector<ChoosingPart> choosing,
                             std::vector<EditPart> edits, std::vector<CalibrationUse> calibrations)
    : m_text(std::move(text)),
      m_choosing(std::move(choosing)),
      m_edits(std::move(edits)),
      m_calibrations(std::move(calibrations)) {
    assert(!m_choosing.empty());
    const auto layers = static_cast<int>(config.moeLayerCount());
    const auto experts = static_cast<std::int32_t>(config.num_experts);
    std::size_t forced = 0;
    for (const EditPart& edit : m_edits) {
        std::size_t most = 0;
        for (int layer = 0; layer < layers; ++layer) {
            most = std::max(most, edit.rule->forced(layer).size());
            for (std::int32_t expert = 0; expert < experts; ++expert)
                m_removes = m_removes || edit.rule->removes(layer, expert);
        }
        forced += most;
    }
    for (const ChoosingPart& part : m_choosing) {
        const int chosen = part.rule->maxSlots();
        const int with_forced = std::min(experts, static_cast<std::int32_t>(forced));
        m_max_slots =
            std::max(m_max_slots, part.rule->marksNotRun() ? chosen + with_forced : std::max(chosen, with_forced));
    }
    checkEdits(config);
}

void RoutingPolicy::checkEdits(const ModelConfig& config) const {
    if (m_edits.empty()) return;
    for (const std::int64_t position : positionsToCheck(m_edits)) {
        for (int layer = 0; layer < static_cast<int>(config.moeLayerCount()); ++layer) {
            for (int token_class = 0; token_class < PolicyScope::kTokenClasses; ++token_class)
                checkEditsAt(config, layer, token_class, position);
        }
    }
}

void RoutingPolicy::checkEditsAt(const ModelConfig& config, int layer, int token_class, std::int64_t position) const {
    const auto fail = [&](std::string what, std::string expected, std::string found) {
        const std::string at = position < 0 ? "" : ", position " + std::to_string(position);
        throw Error({.what = std::move(what),
                     .where = "routing policy \"" + m_text + "\", layer " +
                              std::to_string(config.moeLayers()[static_cast<std::size_t>(layer)]) + ", " +
                              phaseWord(token_class) + at,
                     .expected = std::move(expected),
                     .found = std::move(found)});
    };
    std::vector<bool> removed(static_cast<std::size_t>(config.num_experts), false);
    for (const EditPart& edit : m_edits) {
        if (!covers(edit.scope, layer, token_class, position)) continue;
        for (std::size_t expert = 0; expert < removed.size(); ++expert) {
            if (edit.rule->removes(layer, static_cast<std::int32_t>(expert))) removed[expert] = true;
        }
    }
    if (!removed.empty() && std::ranges::count(removed, false) == 0)
        fail("no expert is left to choose", "at least one of " + std::to_string(removed.size()),
             "all of them taken away");
    for (const EditPart& edit : m_edits) {
        if (!covers(edit.scope, layer, token_class, position)) continue;
        for (const std::int32_t expert : edit.rule->forced(layer)) {
            if (removed[static_cast<std::size_t>(expert)])
                fail("an expert is forced and taken away at once", "", "expert " + std::to_string(expert));
        }
    }
}

bool RoutingPolicy::dependsOnTokenClass() const {
    const auto narrow = [](const auto& part) { return !part.scope.coversAllTokens(); };
    return std::ranges::any_of(m_choosing, narrow) || std::ranges::any_of(m_edits, narrow);
}

bool RoutingPolicy::dependsOnStep() const {
    return std::ranges::any_of(m_choosing,
                               [](const ChoosingPart& part) { return part.rule->view() == RuleView::kStep; });
}

bool RoutingPolicy::dependsOnHistory() const {
    return std::ranges::any_of(m_choosing,
                               [](const ChoosingPart& part) { return part.rule->view() == RuleView::kHistory; });
}

}  // namespace mixoscope
