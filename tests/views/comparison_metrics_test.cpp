// The table of a comparison: values, differences, what is best, why something is absent.
#include "views/comparison_metrics.h"

#include <gtest/gtest.h>

#include "sample_comparison_test.h"
#include "views/exportable_view.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::judge;
using test::sampleComparison;
using test::sampleLane;

RoutingCounts counts(std::int64_t rows, std::int64_t ran, std::int64_t dropped = 0, std::int64_t virtual_ones = 0) {
    return {.rows = rows,
            .layer_rows = 2 * rows,
            .ran = ran,
            .dropped = dropped,
            .virtual_selections = virtual_ones,
            .distinct = ran,
            .bytes = ran * 1000};
}

/// A, B different from token 1 and cheaper, C like A but a little slower.
std::shared_ptr<ComparisonSnapshot> threeLanes() {
    auto comparison = sampleComparison({sampleLane(0, "model", {.tokens = {"a", "b", "c", "d"}}),
                                        sampleLane(1, "top-k:k=1", {.tokens = {"a", "x", "c"}}),
                                        sampleLane(2, "any-experts", {.tokens = {"a", "b", "c", "d"}})});
    auto& lanes = comparison->lanes;
    lanes[0].free_generated = counts(4, 16);
    lanes[1].free_generated = counts(4, 8);
    lanes[1].free_prompt = counts(3, 9, 3);
    lanes[2].free_generated = counts(4, 16, 0, 4);
    lanes[0].tpot_ms = 2.0;
    lanes[1].tpot_ms = 1.5;
    lanes[2].tpot_ms = 2.25;
    return comparison;
}

void judgeAll(ComparisonSnapshot& comparison) {
    auto& lanes = comparison.lanes;
    const ComparedLane base = lanes.front();
    judge(lanes[0], base, {0.0, 0.0, 0.0, 0.0}, 0.4);
    judge(lanes[1], base, {0.1, 2.0, 0.1, 0.2}, 1.5);
    judge(lanes[2], base, {0.0, 0.1, 0.0, 0.1}, 0.45);
    lanes[1].quality.nll_change = {.mean = 1.1, .low = 0.9, .high = 1.3};
    lanes[2].quality.nll_change = {.mean = 0.05, .low = -0.02, .high = 0.12};
    lanes[1].quality.same_top_share = 0.75;
    lanes[2].quality.same_top_share = 1.0;
    lanes[1].forced_generated = counts(4, 8);
    lanes[0].forced_generated = counts(4, 16);
    lanes[2].forced_generated = counts(4, 12);
}

TEST(ComparisonMetrics, ValuesAreTheSnapshots) {
    const MetricTable table = metricsOf(*threeLanes());
    ASSERT_EQ(table.rows.size(), 3U);
    EXPECT_FALSE(table.forced);
    EXPECT_EQ(table.at(1, Metric::kFirstDivergence).text, u"1"_s);
    EXPECT_EQ(table.at(0, Metric::kExperts).text, u"2.00"_s);  // 16 selections of 4 rows × 2 layers
    EXPECT_EQ(table.at(1, Metric::kExperts).text, u"1.00"_s);
    EXPECT_EQ(table.at(1, Metric::kExpertBytes).text, u"2 KB"_s);
    EXPECT_EQ(table.at(1, Metric::kDropped).text, u"3"_s);
    EXPECT_EQ(table.at(1, Metric::kDropped).remark, u"25.0 % of prompt"_s);
    EXPECT_EQ(table.at(2, Metric::kVirtual).text, u"4"_s);
    EXPECT_EQ(table.at(1, Metric::kTpot).text, u"1.50"_s);
}

TEST(ComparisonMetrics, DifferencesSayBetterOrWorse) {
    const MetricTable table = metricsOf(*threeLanes());
    EXPECT_EQ(table.at(1, Metric::kExperts).remark, u"−1.00"_s);
    EXPECT_EQ(table.at(1, Metric::kExperts).verdict, Verdict::kBetter);
    EXPECT_EQ(table.at(2, Metric::kExperts).remark, u"±0"_s);
    EXPECT_EQ(table.at(2, Metric::kExperts).verdict, Verdict::kNone);
    EXPECT_EQ(table.at(2, Metric::kTpot).remark, u"+0.25"_s);
    EXPECT_EQ(table.at(2, Metric::kTpot).verdict, Verdict::kWorse);
    EXPECT_TRUE(table.at(0, Metric::kTpot).remark.isEmpty());
}

TEST(ComparisonMetrics, AnIntervalThatHoldsZeroIsNeitherBetterNorWorse) {
    auto comparison = threeLanes();
    judgeAll(*comparison);
    const MetricTable table = metricsOf(*comparison);
    EXPECT_TRUE(table.forced);
    EXPECT_TRUE(table.source.contains(u"4 tokens of lane A"_s)) << table.source.toStdString();
    EXPECT_EQ(table.at(1, Metric::kNll).remark, u"+1.100 [0.900, 1.300]"_s);
    EXPECT_EQ(table.at(1, Metric::kNll).verdict, Verdict::kWorse);
    EXPECT_EQ(table.at(2, Metric::kNll).remark, u"+0.050 [−0.020, 0.120]"_s);
    EXPECT_EQ(table.at(2, Metric::kNll).verdict, Verdict::kNone);
    // Routing is then that of the forced rows: 12 of 8 layer rows, not the 16 of the free run.
    EXPECT_EQ(table.at(2, Metric::kExperts).text, u"1.50"_s);
}

TEST(ComparisonMetrics, BestLeavesTheBaselineOutWhereAColumnComparesWithIt) {
    auto comparison = threeLanes();
    judgeAll(*comparison);
    const MetricTable table = metricsOf(*comparison);
    EXPECT_TRUE(table.at(0, Metric::kNll).best);
    EXPECT_FALSE(table.at(0, Metric::kDivergence).best);
    EXPECT_TRUE(table.at(2, Metric::kDivergence).best);
    EXPECT_TRUE(table.at(2, Metric::kSameTop).best);
    EXPECT_TRUE(table.at(1, Metric::kExperts).best);
    for (std::size_t row = 0; row < 3; ++row) {
        EXPECT_FALSE(table.at(row, Metric::kThinking).best);  // neither more nor less is better
        EXPECT_FALSE(table.at(row, Metric::kFirstDivergence).best) << "one value alone";
    }
}

TEST(ComparisonMetrics, WhatIsAbsentSaysWhy) {
    const MetricTable table = metricsOf(*threeLanes());
    EXPECT_EQ(table.at(0, Metric::kFirstDivergence).text, u"–"_s);
    EXPECT_TRUE(table.at(0, Metric::kFirstDivergence).why.contains(u"baseline"_s));
    EXPECT_EQ(table.at(2, Metric::kFirstDivergence).text, u"–"_s);
    EXPECT_TRUE(table.at(2, Metric::kFirstDivergence).why.contains(u"Every token"_s));
    EXPECT_EQ(table.at(1, Metric::kNll).text, u"–"_s);
    EXPECT_TRUE(table.at(1, Metric::kNll).why.contains(u"teacher-forced"_s));
    EXPECT_EQ(table.at(1, Metric::kAloneSpeed).text, u"–"_s);
    EXPECT_TRUE(table.at(1, Metric::kAloneSpeed).why.contains(u"alone"_s));
    EXPECT_TRUE(metricsOf({}).rows.empty());
}

TEST(ComparisonMetrics, CsvHasPlainNumbersAndEmptyFieldsForWhatIsAbsent) {
    auto comparison = threeLanes();
    judgeAll(*comparison);
    const QList<QStringList> rows = parseCsv(metricsOf(*comparison).csv());
    ASSERT_EQ(rows.size(), 4);
    for (const QStringList& row : rows) EXPECT_EQ(row.size(), rows.front().size());
    const auto field = [&](int lane, const QString& name) { return rows[lane + 1][rows.front().indexOf(name)]; };
    EXPECT_EQ(field(1, u"lane"_s), u"B"_s);
    EXPECT_EQ(field(1, u"policy"_s), u"top-k:k=1"_s);
    EXPECT_EQ(field(1, u"routing_of"_s), u"teacher_forced"_s);
    EXPECT_EQ(field(1, u"first_divergence"_s), u"1"_s);
    EXPECT_EQ(field(1, u"nll"_s), u"1.5"_s);
    EXPECT_EQ(field(1, u"nll_change_low"_s), u"0.9"_s);
    EXPECT_EQ(field(0, u"nll_change"_s), QString());
    EXPECT_EQ(field(0, u"first_divergence"_s), QString());
    EXPECT_EQ(field(2, u"alone_tpot_ms"_s), QString());
    EXPECT_EQ(field(2, u"tpot_ms"_s), u"2.25"_s);
}

}  // namespace
}  // namespace mixoscope
