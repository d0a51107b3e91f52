// Each check holds on a complete recording and names what is wrong with a broken one.
#include "probes/checks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/synthetic_trace.h"

namespace mixoscope {
namespace {

using test::KeepingSink;
using test::OwnedTrace;
using test::SyntheticEngine;

constexpr TraceShape kShape{3, 4, 16, false};

std::vector<test::Record> turn() {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 21, sink);
    engine.play(0, {.kept = 0, .prompt = 10, .thinking = 3, .answer = 4});
    return std::move(sink.records);
}

TraceChecks checksOver(const std::vector<test::Record>& records, std::int32_t k = 4) {
    TraceChecks checks(kShape, true, k);
    for (const auto& record : records) {
        if (record.is_event)
            checks.addEvent(record.event);
        else
            checks.add(record.row.view());
    }
    return checks;
}

CheckResult resultOf(const TraceChecks& checks, CheckKind kind, std::int64_t lost = 0) {
    for (const CheckResult& result : checks.results(lost, 3, 64))
        if (result.kind == kind) return result;
    ADD_FAILURE() << "no such check";
    return {};
}

/// The row at `position`.
OwnedTrace& rowAt(std::vector<test::Record>& records, std::int32_t position) {
    return std::find_if(records.begin(), records.end(),
                        [&](const test::Record& r) { return !r.is_event && r.row.trace.token.position == position; })
        ->row;
}

TEST(Checks, allHoldOnACompleteRecordingAndShowTheirNumbers) {
    const TraceChecks checks = checksOver(turn());
    for (const CheckResult& result : checks.results(0, 3, 64)) {
        EXPECT_TRUE(result.ran) << result.name;
        EXPECT_TRUE(result.holds) << result.name << ": " << result.violation;
        EXPECT_FALSE(result.equation.empty());
        EXPECT_TRUE(result.violation.empty());
    }
    EXPECT_EQ(resultOf(checks, CheckKind::kSelections).equation, "228 = 19 × 3 × 4 − 0");
    EXPECT_EQ(resultOf(checks, CheckKind::kRing).equation, "0 lost, peak 4.7 % full");
}

TEST(Checks, nothingIsCalledGoodBeforeThereIsSomethingToCheck) {
    for (const CheckResult& result : TraceChecks(kShape, true, 4).results(0, 0, 64)) {
        EXPECT_FALSE(result.ran) << result.name;
        EXPECT_TRUE(result.equation.empty());
    }
    EXPECT_FALSE(resultOf(TraceChecks(kShape, false, 4), CheckKind::kWeightSums).ran);
}

TEST(Checks, ofARecordingTheRingSaysWhyItHasNotRunAndWhatWasLost) {
    const TraceChecks checks = checksOver(turn());
    const CheckResult whole = checks.results(0, 0, 0).back();
    EXPECT_FALSE(whole.ran);
    EXPECT_EQ(whole.equation, "nothing lost; a recording does not hold how full it was");
    const CheckResult lossy = checks.results(3, 0, 0).back();
    EXPECT_TRUE(lossy.ran);
    EXPECT_FALSE(lossy.holds);
    EXPECT_EQ(lossy.violation, "3 records lost while it was recorded");
}

TEST(Checks, aMissingSelectionIsFoundWithItsPlace) {
    auto records = turn();
    rowAt(records, 12).ids[2 * 4 + 3] = -1;
    const CheckResult result = resultOf(checksOver(records), CheckKind::kSelections);
    EXPECT_FALSE(result.holds);
    EXPECT_EQ(result.layer, 2);
    EXPECT_EQ(result.position, 12);
    EXPECT_EQ(result.violation, "1 of 228 selections missing");
    EXPECT_EQ(result.equation, "227 ≠ 19 × 3 × 4 − 0");
}

TEST(Checks, twoErrorsThatCancelInTheSumAreStillFound) {
    auto records = turn();
    rowAt(records, 3).ids[0] = -1;
    rowAt(records, 3).router[0].active = 3;
    TraceChecks checks(kShape, true, -1);  // k unknown: RouterFacts::active counts
    rowAt(records, 5).router[1].active = 5;
    rowAt(records, 6).router[1].active = 3;
    for (const auto& record : records)
        if (!record.is_event) checks.add(record.row.view());
    const CheckResult result = resultOf(checks, CheckKind::kSelections);
    EXPECT_FALSE(result.holds) << "position 3 is consistent, 5 and 6 cancel";
    EXPECT_EQ(result.position, 5);
}

TEST(Checks, aRowWithoutALayerIsFound) {
    auto records = turn();
    rowAt(records, 7).ids.resize(8);
    rowAt(records, 7).weights.resize(8);
    rowAt(records, 7).router.resize(2);
    const TraceChecks checks = checksOver(records);
    const CheckResult layers = resultOf(checks, CheckKind::kLayers);
    EXPECT_FALSE(layers.holds);
    EXPECT_EQ(layers.layer, 2);
    EXPECT_EQ(layers.position, 7);
    EXPECT_EQ(layers.equation, "18 of 19 rows with all 3 MoE layers");
    EXPECT_FALSE(resultOf(checks, CheckKind::kSelections).holds);
}

TEST(Checks, aRowThatLacksOneOfItsArraysIsFound) {
    for (const bool lacks_weights : {true, false}) {
        auto records = turn();
        if (lacks_weights)
            rowAt(records, 7).weights.resize(8);
        else
            rowAt(records, 7).router.resize(2);
        const CheckResult layers = resultOf(checksOver(records), CheckKind::kLayers);
        EXPECT_FALSE(layers.holds);
        EXPECT_EQ(layers.position, 7);
        EXPECT_EQ(layers.layer, 2);
    }
}

TEST(Checks, tooFewHereAndTooManyThereAreFoundAlsoWithAKnownK) {
    auto records = turn();
    for (auto& record : records) {
        if (record.is_event) continue;
        for (std::size_t layer = 0; layer < 3; ++layer) {
            record.row.ids[layer * 4 + 3] = -1;
            record.row.router[layer].active = 3;
        }
    }
    EXPECT_TRUE(resultOf(checksOver(records, 3), CheckKind::kSelections).holds);
    auto cancelling = records;
    rowAt(cancelling, 3).ids[3] = 15;
    rowAt(cancelling, 3).router[0].active = 4;
    rowAt(cancelling, 5).ids[2] = -1;
    rowAt(cancelling, 5).router[0].active = 2;
    const CheckResult result = resultOf(checksOver(cancelling, 3), CheckKind::kSelections);
    EXPECT_FALSE(result.holds);
    EXPECT_EQ(result.position, 3);
    EXPECT_EQ(result.violation, "2 layers with a wrong number of selections");
    rowAt(records, 6).router[1].active = 2;
    EXPECT_FALSE(resultOf(checksOver(records, 3), CheckKind::kSelections).holds) << "the count told is another";
}

TEST(Checks, weightsThatDoNotSumToOneAreFoundAlsoWhenNaN) {
    for (const float wrong : {0.5F, std::numeric_limits<float>::quiet_NaN()}) {
        auto records = turn();
        rowAt(records, 4).weights[5] = wrong;
        const CheckResult result = resultOf(checksOver(records), CheckKind::kWeightSums);
        EXPECT_FALSE(result.holds);
        EXPECT_EQ(result.layer, 1);
        EXPECT_EQ(result.position, 4);
        EXPECT_EQ(result.equation.find("nan") != std::string::npos, std::isnan(wrong)) << result.equation;
    }
}

TEST(Checks, aMissingRecordLeavesAGap) {
    auto records = turn();
    records.erase(records.begin() + 5, records.begin() + 7);
    const CheckResult result = resultOf(checksOver(records), CheckKind::kStepGaps);
    EXPECT_FALSE(result.holds);
    EXPECT_EQ(result.equation, "19 of 21 records");
    EXPECT_EQ(result.violation, "2 records missing, the first is number 5");
}

TEST(Checks, ofSeveralGapsTheFirstIsNamed) {
    auto records = turn();
    records.erase(records.begin() + 9);
    records.erase(records.begin() + 5);
    EXPECT_EQ(resultOf(checksOver(records), CheckKind::kStepGaps).violation,
              "2 records missing, the first is number 5");
}

TEST(Checks, aRecordOutOfOrderIsFound) {
    auto records = turn();
    records.push_back(records[4]);
    const CheckResult result = resultOf(checksOver(records), CheckKind::kStepGaps);
    EXPECT_FALSE(result.holds);
    EXPECT_EQ(result.violation, "1 records out of order");
}

TEST(Checks, lossesInTheRingAreShown) {
    const CheckResult result = resultOf(checksOver(turn()), CheckKind::kRing, 1234);
    EXPECT_FALSE(result.holds);
    EXPECT_EQ(result.violation, "1,234 records overwritten before they were read");
}

TEST(Checks, aRecordingThatBeginsLaterHasNoGapBeforeIt) {
    auto records = turn();
    records.erase(records.begin(), records.begin() + 9);
    EXPECT_TRUE(resultOf(checksOver(records), CheckKind::kStepGaps).holds);
}

TEST(Checks, anotherPolicyIsExpectedFromItsStepOn) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 3, sink);
    TokenTrace token;
    engine.row(0, token, {});
    LaneEvent changed;
    changed.kind = LaneEventKind::kPolicyChanged;
    std::copy_n("top-k:k=2", 10, changed.text);
    TraceChecks checks(kShape, true, 4);
    checks.add(sink.records[0].row.view());
    changed.serial = 1;
    changed.step = 2;  // told before the rows of step 1, which still follow the old policy
    checks.addEvent(changed);
    OwnedTrace old_rule = sink.records[0].row;
    old_rule.trace.serial = 2;
    old_rule.trace.step = 1;
    checks.add(old_rule.view());
    EXPECT_TRUE(resultOf(checks, CheckKind::kSelections).holds);
    OwnedTrace new_rule = old_rule;
    new_rule.trace.serial = 3;
    new_rule.trace.step = 2;
    for (std::size_t layer = 0; layer < 3; ++layer) {
        new_rule.ids[layer * 4 + 2] = new_rule.ids[layer * 4 + 3] = -1;
        new_rule.weights[layer * 4 + 1] = 1.0F - new_rule.weights[layer * 4];
        new_rule.router[layer].active = 2;
    }
    checks.add(new_rule.view());
    const CheckResult result = resultOf(checks, CheckKind::kSelections);
    EXPECT_TRUE(result.holds) << result.violation;
    EXPECT_EQ(result.equation, "30 = 30 − 0");
    new_rule.trace.serial = 4;
    new_rule.ids[1] = -1;
    checks.add(new_rule.view());
    EXPECT_FALSE(resultOf(checks, CheckKind::kSelections).holds);
}

TEST(Checks, everyChangeOfPolicyActsAlsoWhenTheNextIsToldBeforeItsRows) {
    KeepingSink sink;
    SyntheticEngine engine(kShape, 3, sink);
    engine.row(0, {}, {});
    OwnedTrace row = sink.records[0].row;
    TraceChecks checks(kShape, true, 3);
    LaneEvent changed;
    changed.kind = LaneEventKind::kPolicyChanged;
    for (const auto& [text, step] : {std::pair{"top-k:k=4", 2}, {"top-k:k=2", 5}}) {
        changed.step = step;
        std::copy_n(text, 10, changed.text);
        checks.addEvent(changed);
        ++changed.serial;
    }
    row.trace.serial = 2;
    row.trace.step = 3;  // four selections, as the first of the two asks
    checks.add(row.view());
    EXPECT_TRUE(resultOf(checks, CheckKind::kSelections).holds);
    row.trace.serial = 3;
    row.trace.step = 5;
    checks.add(row.view());
    EXPECT_FALSE(resultOf(checks, CheckKind::kSelections).holds);
}

TEST(Checks, droppedSelectionsAreCountedApart) {
    auto records = turn();
    OwnedTrace& row = rowAt(records, 2);
    row.ids[3] = notRunId(row.ids[3]);
    row.weights[3] = 0.0F;
    row.router[0].active = 3;
    row.router[0].flags = layer_flag::kDropped | layer_flag::kOwnSum;
    for (const std::int32_t k : {4, -1}) {
        const CheckResult result = resultOf(checksOver(records, k), CheckKind::kSelections);
        EXPECT_TRUE(result.holds) << result.violation;
        EXPECT_EQ(result.equation, k == 4 ? "227 = 19 × 3 × 4 − 1" : "227 = 228 − 1");
        EXPECT_TRUE(resultOf(checksOver(records, k), CheckKind::kWeightSums).holds) << "the drop took its share";
    }
    row.router[0].flags = layer_flag::kOwnSum;
    EXPECT_FALSE(resultOf(checksOver(records), CheckKind::kSelections).holds) << "dropped, and not said";
    row.router[0].flags = layer_flag::kDropped;
    EXPECT_FALSE(resultOf(checksOver(records), CheckKind::kWeightSums).holds) << "a sum of its own, and not said";
    row.ids[3] = -1;
    EXPECT_FALSE(resultOf(checksOver(records, -1), CheckKind::kSelections).holds) << "said to be dropped, and lost";
}

TEST(Checks, aTokenThatThePolicyGivesNoExpertIsComplete) {
    auto records = turn();
    OwnedTrace& row = rowAt(records, 2);
    for (std::size_t slot = 0; slot < 4; ++slot) row.ids[4 + slot] = -1;
    row.router[1].active = 0;
    row.router[1].flags = layer_flag::kNone;
    const TraceChecks checks = checksOver(records, -1);
    EXPECT_TRUE(resultOf(checks, CheckKind::kSelections).holds);
    EXPECT_TRUE(resultOf(checks, CheckKind::kLayers).holds);
    row.router[1].flags = 0;
    EXPECT_FALSE(resultOf(checksOver(records, -1), CheckKind::kLayers).holds);
}

TEST(Checks, kIsKnownOnlyWhereOneRuleDecidesEverywhere) {
    const auto holdsWithPolicy = [](const char* policy, std::int32_t k) {
        KeepingSink sink;
        SyntheticEngine engine(kShape, 3, sink);
        engine.row(0, {}, {});
        OwnedTrace row = sink.records[0].row;
        for (std::size_t layer = 0; layer < 3; ++layer) {
            for (std::size_t slot = static_cast<std::size_t>(k); slot < 4; ++slot) row.ids[layer * 4 + slot] = -1;
            row.router[layer].active = static_cast<std::uint16_t>(k);
            row.router[layer].flags = layer_flag::kOwnSum;
        }
        TraceChecks checks(kShape, true, 4);
        checks.setPolicy(0, policy);
        checks.add(row.view());
        return resultOf(checks, CheckKind::kSelections).holds;
    };
    EXPECT_TRUE(holdsWithPolicy("model", 4));
    EXPECT_FALSE(holdsWithPolicy("model", 3));
    EXPECT_TRUE(holdsWithPolicy("top-k:k=3", 3));
    EXPECT_FALSE(holdsWithPolicy("top-k:k=2", 3));
    EXPECT_FALSE(holdsWithPolicy("top-k:k=2,renorm=false", 3));
    EXPECT_TRUE(holdsWithPolicy("top-k:k=2,phase=thinking", 3));
    EXPECT_TRUE(holdsWithPolicy("top-k:k=2,positions=7", 3));
    EXPECT_TRUE(holdsWithPolicy("top-k:k=2+force:experts=1-3", 3));
    EXPECT_TRUE(holdsWithPolicy("top-k:k=2and more", 3));
    EXPECT_TRUE(holdsWithPolicy("top-p:p=0.5", 3));
}

TEST(Checks, policiesThatDoNotRenormaliseAreNotAskedTo) {
    auto records = turn();
    for (auto& record : records) {
        if (record.is_event) continue;
        for (RouterFacts& facts : record.row.router) facts.flags |= layer_flag::kOwnSum;
    }
    const CheckResult result = resultOf(checksOver(records), CheckKind::kWeightSums);
    EXPECT_FALSE(result.ran);
    EXPECT_EQ(result.equation, "the policy does not renormalise its weights");
}

}  // namespace
}  // namespace mixoscope
