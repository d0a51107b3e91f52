// The tree of forks as rows: which lane goes on from which, from where to where, with what changed. No widget.
#pragma once

#include <QString>
#include <cstdint>
#include <vector>

#include "sessions/comparison_snapshot.h"

namespace mixoscope {

struct ForkTreeRow {
    std::size_t lane = 0;  // index into ComparisonSnapshot::lanes
    int parent = -1;       // row of the lane that it goes on from; −1: it began with its prompt
    int depth = 0;
    std::int32_t first = 0;  // position of the first token of its own; 0 for a lane that began with its prompt
    std::int32_t end = 0;    // one past its last token
    QString change;          // "policy model → top-k:k=1"; of a lane that began with its prompt its policy
    QString token;           // the text of the first token of its own; empty: none yet, or not a fork
    QString answer;          // on one line; empty: none
    QString verdict;         // "≠ A from token 9", "= A", empty for the baseline
};

/// A lane is followed by its forks, those that branch off last first, so that no line crosses another.
std::vector<ForkTreeRow> forkTree(const ComparisonSnapshot& comparison);
/// Whether any lane is a fork.
bool hasForks(const ComparisonSnapshot& comparison);

}  // namespace mixoscope
