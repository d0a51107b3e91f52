#include "views/fork_point.h"

#include <algorithm>
#include <map>
#include <utility>

#include "sessions/fork_change.h"
#include "views/format.h"
#include "views/heatmap_data.h"
#include "views/lane_style.h"

namespace mixoscope {
namespace {

ForkOffer refused(const QString& why) {
    return {.point = std::nullopt, .refusal = why};
}

/// Why nothing can be forked whatever the token; empty: something can.
QString whyNothing(const WorkbenchSnapshot& snapshot) {
    if (snapshot.recorded) return QObject::tr("A recording: go on from here to fork it (Ctrl+G)");
    if (snapshot.model == nullptr) return QObject::tr("Open a model first");
    return whatIsUnderWay(snapshot.state);
}

LaneSettings beganWith(const WorkbenchSnapshot& snapshot, LaneId lane) {
    const auto origin = std::ranges::find(snapshot.origins, lane, &LaneOrigin::lane);
    return origin == snapshot.origins.end() ? LaneSettings{} : origin->settings;
}

ForkOffer pointOf(const WorkbenchSnapshot& snapshot, const LaneSnapshot& lane, const LaneSettings& began_with,
                  std::int32_t position) {
    if (lane.turns.empty()) return refused(QObject::tr("Nothing was generated yet"));
    const TurnFacts& turn = lane.turns.back();
    if (turn.first_generated_position < 0) return refused(QObject::tr("Nothing was generated yet"));
    if (position >= lane.history.tokenCount()) return refused(QObject::tr("The lane has no token at this place"));
    if (position < turn.first_generated_position - 1)
        return refused(QObject::tr("A token of the prompt: forks go on from the prompt's last token or a later one"));
    ForkPoint point;
    point.lane = lane.lane;
    point.position = position;
    point.history = lane.history;
    point.first_generated = turn.first_generated_position;
    point.settings = settingsAt(lane, began_with, position + 1);
    point.layer_names = snapshot.model->moe_layers;
    point.model = *snapshot.model;
    return {.point = std::move(point), .refusal = {}};
}

}  // namespace

bool ForkPoint::isRouted() const {
    return position < history.rowCount() && history.shape().moe_layers > 0 && hasRouting(history, position);
}

QString ForkPoint::whyNotMeasured() const {
    if (model.config.num_experts == 0 || history.shape().moe_layers == 0)
        return QObject::tr("Experts are measured in models that have some, with probes on");
    if (!isGenerated()) return QObject::tr("A token of the prompt: the model did not choose it");
    if ((token().trace.flags & token_flag::kInjected) != 0)
        return QObject::tr("An injected token: the model did not choose it");
    return {};
}

QString whatIsUnderWay(WorkbenchState state) {
    switch (state) {
        case WorkbenchState::kNoModel:
            return QObject::tr("Open a model first");
        case WorkbenchState::kLoading:
            return QObject::tr("The model is being opened");
        case WorkbenchState::kGenerating:
            return QObject::tr("The model is answering; stop it or wait for it");
        case WorkbenchState::kComparing:
            return QObject::tr("Lanes are running; stop them or wait for them");
        case WorkbenchState::kAttributing:
            return QObject::tr("Experts are being measured; stop that or wait for it");
        case WorkbenchState::kReady:
            break;
    }
    return {};
}

ForkOffer forkPointOfChat(const WorkbenchSnapshot& snapshot, std::int32_t turn, std::int32_t position) {
    const QString nothing = whyNothing(snapshot);
    return nothing.isEmpty() ? forkPointOfRecorded(snapshot, turn, position) : refused(nothing);
}

ForkOffer forkPointOfRecorded(const WorkbenchSnapshot& snapshot, std::int32_t turn, std::int32_t position) {
    if (position < 0) return refused(QObject::tr("Select a token first"));
    if (snapshot.lanes.empty()) return refused(QObject::tr("Nothing was generated yet"));
    const LaneSnapshot& chat = snapshot.lanes.front();
    if (turn >= 0 && turn + 1 < static_cast<std::int32_t>(chat.turns.size()))
        return refused(QObject::tr("An earlier turn: only the newest one can be forked"));
    ForkOffer offer = pointOf(snapshot, chat, beganWith(snapshot, chat.lane), position);
    if (offer.point) offer.point->lane_name = QObject::tr("the conversation");
    return offer;
}

ForkOffer forkPointOfCompared(const WorkbenchSnapshot& snapshot, LaneId lane, std::int32_t index) {
    const QString nothing = whyNothing(snapshot);
    if (!nothing.isEmpty()) return refused(nothing);
    if (index < 0) return refused(QObject::tr("Select a token first"));
    if (snapshot.comparison == nullptr || snapshot.comparison->lanes.empty())
        return refused(QObject::tr("Run the lanes first"));
    const auto& lanes = snapshot.comparison->lanes;
    const auto found =
        std::ranges::find_if(lanes, [&](const ComparedLane& other) { return other.origin.lane == lane; });
    const ComparedLane& compared = found == lanes.end() ? lanes.front() : *found;
    if (compared.free.turns.empty()) return refused(QObject::tr("Run the lanes first"));
    ForkOffer offer = pointOf(snapshot, compared.free, compared.origin.settings,
                              compared.free.turns.back().first_generated_position + index);
    if (!offer.point) return offer;
    offer.point->in_comparison = true;
    if (lanes.size() >= kMostComparedLanes) offer.point->no_room = QObject::tr("A comparison has at most eight lanes");
    offer.point->lane_name = QObject::tr("lane %1").arg(laneLetter(compared.origin.tag));
    return offer;
}

ForkOffer forkPointOfFork(const WorkbenchSnapshot& snapshot, std::size_t forked, LaneId lane, std::int32_t index) {
    const QString nothing = whyNothing(snapshot);
    if (!nothing.isEmpty()) return refused(nothing);
    if (index < 0) return refused(QObject::tr("Select a token first"));
    if (forked >= snapshot.forks.size() || snapshot.lanes.empty())
        return refused(QObject::tr("Nothing was generated yet"));
    const ForkedTurn& turn = snapshot.forks[forked];
    if (turn.turn + 1 < static_cast<std::int32_t>(snapshot.lanes.front().turns.size()))
        return refused(QObject::tr("The conversation has gone on: only its newest turn can be forked"));
    const auto& lanes = turn.lanes->lanes;
    const auto found =
        std::ranges::find_if(lanes, [&](const ComparedLane& other) { return other.origin.lane == lane; });
    const ComparedLane& shown = found == lanes.end() ? lanes.front() : *found;
    const LaneSettings began_with =
        shown.origin.role == LaneRole::kChat ? beganWith(snapshot, shown.origin.lane) : shown.origin.settings;
    if (shown.free.turns.empty()) return refused(QObject::tr("Nothing was generated yet"));
    ForkOffer offer =
        pointOf(snapshot, shown.free, began_with, shown.free.turns.back().first_generated_position + index);
    if (offer.point) offer.point->lane_name = QObject::tr("lane %1").arg(laneLetter(shown.origin.tag));
    return offer;
}

std::string policyOf(const ForkPoint& point, const ForkChanges& changes) {
    std::string text = changes.policy.value_or(point.settings.policy);
    // One part for all experts of a layer that are edited alike, in the order in which they were asked for.
    std::vector<std::pair<std::pair<RoutingEdit::Kind, std::int32_t>, std::string>> parts;
    for (const RoutingEdit& edit : changes.edits) {
        const std::pair key{edit.kind, edit.layer};
        auto part = std::ranges::find(parts, key, [](const auto& known) { return known.first; });
        if (part == parts.end()) part = parts.insert(parts.end(), {key, {}});
        part->second += (part->second.empty() ? "" : "/") + std::to_string(edit.expert);
    }
    for (const auto& [key, experts] : parts) {
        const auto at = static_cast<std::size_t>(key.second);
        const std::int32_t layer = at < point.layer_names.size() ? point.layer_names[at] : key.second;
        text += key.first == RoutingEdit::Kind::kBan ? "+ban:experts=" : "+force:experts=";
        text += experts + ",layers=" + std::to_string(layer);
        if (changes.at_token_only) text += ",positions=" + std::to_string(point.position);
    }
    return text;
}

ForkRequest requestOf(const ForkPoint& point, const ForkChanges& changes) {
    ForkRequest request;
    request.lane = point.lane;
    // The token's own row is computed anew, so its successor is the first that the fork chooses; a token that is
    // replaced is chosen by the row before it.
    request.position = changes.token ? point.position : point.position + 1;
    request.settings = point.settings;
    request.settings.policy = policyOf(point, changes);
    if (changes.budget) request.settings.budget = *changes.budget;
    if (changes.seed) request.settings.sampling.seed = *changes.seed;
    request.token = changes.token;
    return request;
}

QString effectOf(const ForkPoint& point, const RoutingEdit& edit) {
    if (!point.isRouted() || edit.layer >= point.history.shape().moe_layers) return {};
    const auto at = static_cast<std::size_t>(edit.layer);
    const QString layer = QString::number(at < point.layer_names.size() ? point.layer_names[at] : edit.layer);
    const auto experts = point.history.experts(point.position, edit.layer);
    const auto weights = point.history.weights(point.position, edit.layer);
    const RouterFacts& facts = point.history.router(point.position, edit.layer);
    const LayerLoad load = loadOverRange(point.history, edit.layer, 0, point.history.rowCount());
    const auto expert = static_cast<std::size_t>(edit.expert);
    const QString often = expert < load.selections.size()
                              ? QObject::tr("Chosen in %1 of %2 rows.")
                                    .arg(format::count(load.selections[expert]), format::count(load.rows))
                              : QString();
    const auto slot = std::ranges::find(experts, static_cast<std::int16_t>(edit.expert)) - experts.begin();
    if (slot == std::ssize(experts))
        return QObject::tr("Layer %1: expert %2 is not chosen here. %3").arg(layer).arg(edit.expert).arg(often);
    const std::int64_t chosen = std::ranges::count_if(experts, [](std::int16_t id) { return id >= 0; });
    QString text = QObject::tr("Layer %1: expert %2 has rank %3 of %4 here, weight %5.")
                       .arg(layer)
                       .arg(edit.expert)
                       .arg(slot + 1)
                       .arg(chosen)
                       .arg(format::probability(static_cast<double>(weights[static_cast<std::size_t>(slot)])));
    if (edit.kind == RoutingEdit::Kind::kBan && facts.next_expert >= 0)
        text += QObject::tr(" Next in line: expert %1, p %2.")
                    .arg(facts.next_expert)
                    .arg(format::probability(static_cast<double>(facts.next_probability)));
    return text + u' ' + often;
}

}  // namespace mixoscope
