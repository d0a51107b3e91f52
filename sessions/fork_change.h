// A fork of a lane as a person asks for it: where it may be, and what it changes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/generation.h"
#include "sessions/comparison_snapshot.h"
#include "sessions/loaded_model.h"

namespace mixoscope {

/// Settings under which the lane's last turn chose its token at `position`, and the policy under which it computed the
/// row before, as far as its records tell: sampling changed by hand is known by its changes. `began_with`: the lane's
/// LaneOrigin::settings.
LaneSettings settingsAt(const LaneSnapshot& lane, const LaneSettings& began_with, std::int32_t position);

/// What differs, in words: "policy model → top-k:k=4, budget 512 → unlimited, token "five""; empty: nothing.
/// `token_text`: of a token that is given in place of the one chosen.
std::string describeChange(const LaneSettings& before, const LaneSettings& now,
                           const std::optional<std::string>& token_text);

/// Makes the fork; its turn goes on with the next steps of the generation. LaneOrigin::position is where its own tokens
/// begin: behind an injected text that the request would cut. Throws Error for a place that the lane's turn did not
/// generate, or where nothing is left to generate; then no lane was made.
LaneOrigin forkAt(Generation& generation, const ForkRequest& request, const LoadedModel& loaded, std::int32_t tag);

}  // namespace mixoscope
