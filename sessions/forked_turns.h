// The forks of a conversation as lanes side by side: every turn that was forked as the baseline of its forks, measured
// as compared lanes are. The same live and read back from a session. May be called from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "probes/load.h"
#include "sessions/comparison_measures.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/workbench.h"

namespace mixoscope {

class ForkedTurns {
public:
    /// `expert_bytes`: (MoE layers) weights of one expert of the layer.
    ForkedTurns(const TraceShape& shape, std::vector<std::int64_t> expert_bytes);

    /// What the user asked in a turn of the conversation.
    void setPrompt(std::int32_t turn, std::string text);
    /// A fork, before its first record. Those of a turn are lanes B, C, … in the order in which they are added.
    void add(const LaneOrigin& fork);
    /// `lanes`: of the conversation, which comes first, and of its forks. Turns without forks are left out.
    std::vector<ForkedTurn> measure(const std::vector<LaneSnapshot>& lanes);

private:
    struct Turn {
        ComparisonMeasures measures;
        ComparisonSnapshot lanes = {};
        std::shared_ptr<const LoadCounter> load = {};  // of the conversation's rows in this turn
        std::int32_t loaded_rows = 0;                  // counted there
        std::vector<LaneSnapshot> measured = {};
        std::shared_ptr<const ComparisonSnapshot> published = {};
    };
    Turn& turn(std::int32_t index);
    void place(const LaneSnapshot& chat, const std::vector<LaneSnapshot>& lanes);
    LaneSnapshot baseline(const LaneSnapshot& chat, std::size_t index, Turn& turn) const;

    const TraceShape m_shape;
    const std::vector<std::int64_t> m_expert_bytes;
    std::mutex m_mutex;
    std::map<std::int32_t, std::string> m_prompts;
    std::vector<LaneOrigin> m_unplaced;  // forks whose turn is not known yet: nothing of them was recorded
    std::map<std::int32_t, Turn> m_turns;
};

}  // namespace mixoscope
