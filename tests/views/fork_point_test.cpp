// Where a fork can begin, what it asks for, and why not where it cannot.
#include "views/fork_point.h"

#include <gtest/gtest.h>

#include "engine/routing_policy.h"
#include "sample_comparison_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

std::shared_ptr<WorkbenchSnapshot> sample() {
    auto snapshot = std::make_shared<WorkbenchSnapshot>(
        *test::snapshotOf(test::sampleComparison({test::sampleLane(0, "model", {.tokens = {"a", "b", "c"}}),
                                                  test::sampleLane(1, "top-k:k=1", {.tokens = {"a", "x"}})})));
    snapshot->lanes = {snapshot->comparison->lanes[0].free};
    snapshot->origins = {{.lane = snapshot->lanes[0].lane}};
    return snapshot;
}

TEST(ForkPoint, ATokensRoutingIsEditedInItsOwnRow) {
    const ForkOffer offer = forkPointOfChat(*sample(), -1, 4);
    ASSERT_TRUE(offer.point) << offer.refusal.toStdString();
    const ForkPoint& point = *offer.point;
    EXPECT_TRUE(point.isRouted());
    ForkChanges changes;
    EXPECT_EQ(policyOf(point, changes), "model");
    EXPECT_EQ(requestOf(point, changes).position, 5);
    // The model's numbers of the layers, one part for all experts of a layer.
    changes.edits = {
        {RoutingEdit::Kind::kBan, 0, 2}, {RoutingEdit::Kind::kForce, 1, 3}, {RoutingEdit::Kind::kBan, 0, 1}};
    EXPECT_EQ(policyOf(point, changes),
              "model+ban:experts=2/1,layers=1,positions=4+force:experts=3,layers=3,positions=4");
    changes.at_token_only = false;
    changes.policy = "top-k:k=1";
    changes.budget = 7;
    changes.seed = 9;
    const ForkRequest request = requestOf(point, changes);
    EXPECT_EQ(request.settings.policy, "top-k:k=1+ban:experts=2/1,layers=1+force:experts=3,layers=3");
    EXPECT_EQ(request.settings.budget, 7);
    EXPECT_EQ(request.settings.sampling.seed, 9U);
    EXPECT_FALSE(request.token);
    // A token that is replaced is chosen by the row before it.
    changes.token = 5;
    EXPECT_EQ(requestOf(point, changes).position, 4);
    EXPECT_EQ(requestOf(point, changes).token, 5);
}

TEST(ForkPoint, WhatAnEditMeetsIsWhatIsRecorded) {
    const ForkPoint point = *forkPointOfChat(*sample(), -1, 4).point;
    const std::int16_t first = point.history.experts(4, 0)[0];
    const QString effect = effectOf(point, {RoutingEdit::Kind::kBan, 0, first});
    EXPECT_TRUE(effect.contains(u"Layer 1: expert %1 has rank 1 of 2 here, weight 0.5000"_s.arg(first)))
        << effect.toStdString();
    EXPECT_TRUE(effect.contains(u"Chosen in 6 of 6 rows"_s)) << effect.toStdString();
    std::int32_t other = 0;
    while (std::ranges::find(point.history.experts(4, 0), static_cast<std::int16_t>(other)) !=
           point.history.experts(4, 0).end())
        ++other;
    EXPECT_TRUE(effectOf(point, {RoutingEdit::Kind::kForce, 0, other}).contains(u"is not chosen here"_s));
}

TEST(ForkPoint, EveryRefusalSaysWhy) {
    const auto refusal = [](const WorkbenchSnapshot& snapshot, std::int32_t turn, std::int32_t position) {
        const ForkOffer offer = forkPointOfChat(snapshot, turn, position);
        EXPECT_NE(offer.point.has_value(), !offer.refusal.isEmpty());
        return offer.refusal;
    };
    auto snapshot = sample();
    EXPECT_EQ(refusal(*snapshot, -1, -1), u"Select a token first"_s);
    EXPECT_TRUE(refusal(*snapshot, -1, 1).contains(u"prompt"_s));
    EXPECT_EQ(refusal(*snapshot, -1, 2), QString()) << "the prompt's last token is fed for the first one";
    EXPECT_TRUE(refusal(*snapshot, -1, 6).contains(u"no token"_s));
    for (const auto state : {WorkbenchState::kGenerating, WorkbenchState::kComparing, WorkbenchState::kAttributing,
                             WorkbenchState::kLoading}) {
        snapshot->state = state;
        EXPECT_EQ(refusal(*snapshot, -1, 4), whatIsUnderWay(state));
        EXPECT_FALSE(whatIsUnderWay(state).isEmpty());
    }
    snapshot = sample();
    snapshot->lanes[0].turns.push_back(snapshot->lanes[0].turns[0]);
    EXPECT_TRUE(refusal(*snapshot, 0, 4).contains(u"earlier turn"_s));
    snapshot = sample();
    snapshot->recorded = true;
    EXPECT_TRUE(refusal(*snapshot, -1, 4).contains(u"recording"_s));
    snapshot = sample();
    snapshot->model = nullptr;
    EXPECT_EQ(refusal(*snapshot, -1, 4), u"Open a model first"_s);
}

TEST(ForkPoint, AComparedLaneIsForkedByItsGeneratedToken) {
    const auto snapshot = sample();
    const LaneId second = snapshot->comparison->lanes[1].origin.lane;
    const ForkOffer offer = forkPointOfCompared(*snapshot, second, 1);
    ASSERT_TRUE(offer.point) << offer.refusal.toStdString();
    EXPECT_TRUE(offer.point->in_comparison);
    EXPECT_EQ(offer.point->lane, second);
    EXPECT_EQ(offer.point->position, 4);
    EXPECT_EQ(offer.point->lane_name, u"lane B"_s);
    EXPECT_EQ(offer.point->token().bytes, "x");
    EXPECT_FALSE(forkPointOfCompared(*snapshot, second, 2).point) << "lane B is shorter";
    EXPECT_EQ(forkPointOfCompared(*snapshot, 999, 2).point->lane, snapshot->comparison->lanes[0].origin.lane);
}

}  // namespace
}  // namespace mixoscope
