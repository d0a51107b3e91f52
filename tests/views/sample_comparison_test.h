// Comparisons for view tests, made of texts and expert choices that the test writes down.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sessions/comparison_snapshot.h"
#include "views/bridge.h"

namespace mixoscope::test {

/// 2 MoE layers, 2 of 8 experts a row.
constexpr TraceShape kComparedShape{.moe_layers = 2, .slots = 2, .experts = 8, .distributions = false};

struct SampleText {
    std::vector<std::string> tokens;  // generated
    std::int32_t prompt = 3;          // tokens before them
    bool ended = true;
    /// The experts of every row in both layers.
    std::vector<std::int16_t> experts = {0, 1};
};

/// A lane that ran free. Tokens of the same text have the same id.
ComparedLane sampleLane(std::int32_t tag, const std::string& policy, const SampleText& text);
/// The same with first divergences filled in, as sessions does.
std::shared_ptr<ComparisonSnapshot> sampleComparison(std::vector<ComparedLane> lanes);
SnapshotPointer snapshotOf(std::shared_ptr<const ComparisonSnapshot> comparison);
/// Gives a lane what a teacher-forced pass over `base` measures: these divergences, an NLL of `nll`.
void judge(ComparedLane& lane, const ComparedLane& base, const std::vector<double>& divergences, double nll);

}  // namespace mixoscope::test
