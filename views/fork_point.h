// A token from which a lane can be continued otherwise, what may be changed there, and the fork that this asks for. No
// widget.
#pragma once

#include <QString>
#include <QStringList>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sessions/comparison_snapshot.h"
#include "views/bridge.h"

namespace mixoscope {

struct ForkPoint {
    bool in_comparison = false;  // a compared lane's; else the conversation's or that of a fork of it
    QString no_room;             // why it can be measured but not forked; empty: it can be
    LaneId lane = 0;
    QString lane_name;  // "the conversation", "lane B"
    std::int32_t position = 0;
    History history;
    std::int32_t first_generated = 0;       // position of the turn's first token after the prompt
    LaneSettings settings;                  // in force when the token was fed
    std::vector<std::int32_t> layer_names;  // the model's number of each trace layer
    ModelFacts model;

    const TokenRecord& token() const { return history.token(position); }
    /// Whether its experts are known, so that its routing can be edited.
    bool isRouted() const;
    /// Whether another token can stand in its place: not in that of a prompt's.
    bool isGenerated() const { return position >= first_generated; }
    /// Why its experts cannot be measured; empty: they can.
    QString whyNotMeasured() const;
};

/// The point, or why there is none.
struct ForkOffer {
    std::optional<ForkPoint> point;
    QString refusal;
};
/// Of a token of the conversation. `turn`: Selection::turn().
ForkOffer forkPointOfChat(const WorkbenchSnapshot& snapshot, std::int32_t turn, std::int32_t position);
/// Of a token of a recorded conversation, for when it has become a live one.
ForkOffer forkPointOfRecorded(const WorkbenchSnapshot& snapshot, std::int32_t turn, std::int32_t position);
/// Of generated token `index` of one of the compared lanes.
ForkOffer forkPointOfCompared(const WorkbenchSnapshot& snapshot, LaneId lane, std::int32_t index);
/// Of generated token `index` of the conversation or a fork in snapshot.forks[forked].
ForkOffer forkPointOfFork(const WorkbenchSnapshot& snapshot, std::size_t forked, LaneId lane, std::int32_t index);

/// What something else has to end before a fork or a measurement can begin; empty: nothing.
QString whatIsUnderWay(WorkbenchState state);

struct RoutingEdit {
    enum class Kind : std::uint8_t { kBan, kForce };
    Kind kind = Kind::kBan;
    std::int32_t layer = 0;  // trace layer
    std::int32_t expert = 0;

    bool operator==(const RoutingEdit&) const = default;
};

/// What is to be otherwise from the token on.
struct ForkChanges {
    std::vector<RoutingEdit> edits;
    bool at_token_only = true;  // the edits act on the token alone, not on what follows
    std::optional<std::string> policy;
    std::optional<std::int32_t> budget;
    std::optional<std::uint64_t> seed;
    std::optional<TokenId> token;  // in place of the point's
};

/// The policy that the fork runs under, as text; it need not be a valid one.
std::string policyOf(const ForkPoint& point, const ForkChanges& changes);
ForkRequest requestOf(const ForkPoint& point, const ForkChanges& changes);
/// What an edit meets at the token: the expert's rank and weight there, who is next in line, how often it was chosen.
QString effectOf(const ForkPoint& point, const RoutingEdit& edit);

}  // namespace mixoscope
