// What each expert did for one token: the token's log-probability without the expert, for every expert that the row
// before the token ran, in batches of lanes that compute this one row again. One thread drives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/generation.h"
#include "probes/routing_history.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/loaded_model.h"

namespace mixoscope {

class Attribution {
public:
    /// For the token at `position` of the lane's turn under way or last turn; `history`: the lane's. Nothing else may
    /// be under way in the generation, which must have room for at least one more lane and outlive it, as the model
    /// must. Throws Error when the token was not chosen by the model, its row is not there any more, or the policy does
    /// not choose by the row alone: then the row cannot be computed by itself.
    Attribution(Generation& generation, const LoadedModel& loaded, LaneId lane, std::int32_t position,
                const History& history);

    /// Computes the next experts, as many as fit into one step. False: nothing is left to do. Throws Error.
    bool step();
    /// Ends it; what was measured stays.
    void end() { m_result.running = false; }
    const AttributionSnapshot& result() const { return m_result; }

private:
    struct Removal {
        std::size_t cell = 0;
        std::string policy;
    };
    double withPolicy(LaneId lane) const;
    bool isPossible(const std::string& policy) const;
    LaneId fork(const std::string& policy);

    Generation& m_generation;
    const Model& m_model;
    LaneSettings m_settings;
    std::vector<Removal> m_removals;
    std::size_t m_next = 0;
    bool m_begun = false;  // the token's log-probability with all experts is known
    AttributionSnapshot m_result;
};

}  // namespace mixoscope
