// The charts of an experiment: what stands where, what a click selects, what is exported.
#include <QAction>
#include <QPainter>
#include <QSignalSpy>
#include <QTest>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "gtest/gtest.h"
#include "sample_experiment_test.h"
#include "sample_snapshot_test.h"
#include "views/accuracy_budget_chart.h"
#include "views/accuracy_cost_chart.h"
#include "views/accuracy_map.h"
#include "views/batch_speed_chart.h"
#include "views/budget_axis.h"
#include "views/lane_style.h"
#include "views/series_plot.h"
#include "views/theme.h"
#include "views/think_distribution.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::sampleExperiment;

class ExperimentCharts : public testing::Test {
protected:
    ExperimentCharts() {
        for (ExperimentChart* chart : charts()) {
            chart->resize(640, 420);
            chart->show();
        }
    }
    std::vector<ExperimentChart*> charts() { return {&budget, &cost, &map, &distribution}; }
    void show(const ExperimentPointer& experiment) {
        selection.setExperiment(experiment);
        for (ExperimentChart* chart : charts()) chart->renderToImage(1.0);
    }
    std::size_t cellAt(std::size_t policy, std::size_t place) const { return *selection.slice().at(policy, place); }
    static void click(ExperimentChart& chart, std::size_t cell) {
        QTest::mouseClick(&chart, Qt::LeftButton, {}, chart.markOf(cell).center().toPoint());
    }

    ExperimentSelection selection;
    AccuracyBudgetChart budget{selection};
    AccuracyCostChart cost{selection};
    AccuracyMap map{selection};
    ThinkDistribution distribution{selection};
    BatchSpeedChart batch{selection};
};

TEST_F(ExperimentCharts, TheAxisIsLogarithmicAndBrokenWhereThereIsNoLogarithm) {
    const std::vector<ExperimentPlace> places = {{ThinkingMode::kNoThink, kUnlimitedBudget},
                                                 {ThinkingMode::kThink, 0},
                                                 {ThinkingMode::kThink, 8},
                                                 {ThinkingMode::kThink, 16},
                                                 {ThinkingMode::kThink, 64},
                                                 {ThinkingMode::kThink, kUnlimitedBudget}};
    const BudgetAxis axis(places);
    const auto& at = axis.positions();
    ASSERT_EQ(at.size(), places.size());
    EXPECT_TRUE(std::ranges::is_sorted(at));
    EXPECT_DOUBLE_EQ(at.front(), 0.0);
    EXPECT_DOUBLE_EQ(at.back(), 1.0);
    EXPECT_NEAR(at[4] - at[3], 2.0 * (at[3] - at[2]), 1e-12) << "two doublings";
    ASSERT_EQ(axis.breaks().size(), 3U);
    EXPECT_TRUE(at[0] < axis.breaks()[0] && axis.breaks()[0] < at[1]);
    EXPECT_TRUE(at[4] < axis.breaks()[2] && axis.breaks()[2] < at[5]);
    EXPECT_DOUBLE_EQ(BudgetAxis({{ThinkingMode::kThink, 7}}).positions().front(), 0.5);
}

TEST_F(ExperimentCharts, ACellIsSelectedInAllOfThemAndItsRunsAreAskedFor) {
    show(sampleExperiment());
    const std::size_t first = cellAt(1, 3);
    for (ExperimentChart* chart : charts()) {
        selection.setCell(first);
        chart->renderToImage(1.0);
        const std::size_t wanted = chart == &distribution ? cellAt(2, 3) : cellAt(2, 2);
        QSignalSpy asked(chart, &ExperimentChart::runsAsked);
        click(*chart, wanted);
        EXPECT_EQ(selection.cell(), wanted) << chart->objectName().toStdString();
        EXPECT_EQ(asked.count(), 1);
        QTest::mouseClick(chart, Qt::LeftButton, {}, QPoint(chart->width() - 2, chart->height() - 2));
        EXPECT_FALSE(selection.cell().has_value()) << "a click beside the marks clears it";
    }
}

TEST_F(ExperimentCharts, MarksStandAtTheirValues) {
    show(sampleExperiment());
    const auto& results = selection.experiment()->results;
    const auto center = [&](ExperimentChart& chart, std::size_t policy, std::size_t place) {
        return chart.markOf(cellAt(policy, place)).center();
    };
    // Height is linear in accuracy: two points give the scale, all others must fit it.
    for (ExperimentChart* chart : {static_cast<ExperimentChart*>(&budget), static_cast<ExperimentChart*>(&cost)}) {
        const double y0 = center(*chart, 0, 0).y();
        const double y1 = center(*chart, 0, 4).y();
        const double a0 = results[cellAt(0, 0)].accuracy.share;
        const double a1 = results[cellAt(0, 4)].accuracy.share;
        ASSERT_NE(a0, a1);
        for (std::size_t policy = 0; policy < 3; ++policy) {
            for (std::size_t place = 0; place < 5; ++place) {
                const double share = results[cellAt(policy, place)].accuracy.share;
                EXPECT_NEAR(center(*chart, policy, place).y(), y0 + (share - a0) / (a1 - a0) * (y1 - y0), 0.01);
            }
        }
    }
    EXPECT_LT(center(budget, 0, 1).x(), center(budget, 0, 2).x());
    const bool faster = results[cellAt(2, 2)].tokens_per_s > results[cellAt(0, 2)].tokens_per_s;
    EXPECT_EQ(center(cost, 2, 2).x() > center(cost, 0, 2).x(), faster);
    cost.setMeasure(CostMeasure::kLatency);
    cost.renderToImage(1.0);
    EXPECT_EQ(center(cost, 2, 2).x() > center(cost, 0, 2).x(),
              results[cellAt(2, 2)].latency_ms > results[cellAt(0, 2)].latency_ms);
}

TEST_F(ExperimentCharts, SpeedStandsAgainstTheLogarithmOfTheBatchSize) {
    batch.resize(640, 420);
    show(sampleExperiment());
    EXPECT_TRUE(batch.isEmpty()) << "there is one size";
    test::SampleExperiment sample;
    sample.lanes = {4, 1, 2, 32, 8, 16};  // drawn in order, however they were given
    sample.tasks = {"sums", "words"};
    show(sampleExperiment(sample));
    ASSERT_FALSE(batch.isEmpty());
    const auto& results = selection.experiment()->results;
    const auto cellOf = [&](std::size_t policy, std::int32_t lanes) {
        ExperimentCell choice = selection.choice(policy, selection.slice().places[selection.shownPlace()]);
        choice.lanes = lanes;
        return *selection.frame()->find(choice);
    };
    for (const std::size_t task : {std::size_t{0}, std::size_t{2}}) {  // and all of them
        selection.setTask(task);
        for (const SpeedMeasure measure : {SpeedMeasure::kTimePerToken, SpeedMeasure::kTokensPerSecond}) {
            batch.setMeasure(measure);
            batch.renderToImage(1.0);
            const auto value = [&](std::size_t cell) {
                return measure == SpeedMeasure::kTimePerToken ? results[cell].tpot_ms.median
                                                              : results[cell].tokens_per_s;
            };
            const auto at = [&](std::size_t policy, std::int32_t lanes) {
                return batch.markOf(cellOf(policy, lanes)).center();
            };
            const double v1 = value(cellOf(0, 1));
            const double v32 = value(cellOf(0, 32));
            ASSERT_NE(v1, v32);
            for (const std::int32_t lanes : {1, 2, 4, 8, 16, 32}) {
                EXPECT_NEAR(at(0, lanes).x(), at(0, 1).x() + std::log2(lanes) / 5.0 * (at(0, 32).x() - at(0, 1).x()),
                            0.01);
                for (std::size_t policy = 0; policy < 3; ++policy)
                    EXPECT_NEAR(at(policy, lanes).y(),
                                at(0, 1).y() +
                                    (value(cellOf(policy, lanes)) - v1) / (v32 - v1) * (at(0, 32).y() - at(0, 1).y()),
                                0.01)
                        << lanes;
            }
        }
    }
    const std::size_t clicked = cellOf(1, 16);
    QSignalSpy asked(&batch, &ExperimentChart::runsAsked);
    click(batch, clicked);
    EXPECT_EQ(selection.cell(), clicked);
    EXPECT_EQ(asked.count(), 1);
    EXPECT_EQ(selection.frame()->experiment.lanes[selection.lanes()], 16) << "the other charts show its batch size";
    const auto rows = parseCsv(batch.csv());
    ASSERT_EQ(rows.size(), 1 + 3 * 5 * 6);
    EXPECT_EQ(rows.front().size(), rows.back().size());
    EXPECT_EQ(rows[1].mid(0, 6),
              (QStringList{u"all tasks"_s, u"model"_s, u"greedy"_s, u"no_think"_s, u"unlimited"_s, u"1"_s}));
}

TEST_F(ExperimentCharts, AllTasksTogetherAreAChoiceAmongTheTasks) {
    test::SampleExperiment sample;
    sample.tasks = {"sums", "words"};
    show(sampleExperiment(sample));
    const auto& results = selection.experiment()->results;
    const CellResult of_one = results[cellAt(1, 4)];
    selection.setTask(2);
    const CellResult& pooled = results[cellAt(1, 4)];
    EXPECT_EQ(pooled.accuracy.trials, 2 * of_one.accuracy.trials);
    EXPECT_EQ(pooled.accuracy.successes, 2 * of_one.accuracy.successes) << "both tasks have the same made-up runs";
    EXPECT_LT(pooled.accuracy.high - pooled.accuracy.low, of_one.accuracy.high - of_one.accuracy.low);
    for (ExperimentChart* chart : charts()) {
        chart->renderToImage(1.0);
        EXPECT_FALSE(chart->markOf(cellAt(1, 4)).isNull()) << chart->viewName().toStdString();
    }
    click(map, cellAt(1, 4));
    EXPECT_EQ(selection.cell(), cellAt(1, 4));
    EXPECT_EQ(selection.task(), 2U);
    EXPECT_TRUE(budget.csv().contains(u"\nall tasks,"_s));
    const auto lengths = parseCsv(distribution.csv());
    EXPECT_EQ(lengths.back()[6], u"80"_s) << "runs of both tasks";
    selection.setCell(0);
    EXPECT_EQ(selection.task(), 0U) << "a cell leads back to its task";
}

TEST_F(ExperimentCharts, TheFrontHoldsFinishedCellsThatNoOtherBeats) {
    test::SampleExperiment sample;
    sample.unfinished_from = 12;  // the last policy is under way
    show(sampleExperiment(sample));
    const auto& results = selection.experiment()->results;
    const std::vector<std::size_t> best = cost.front();
    const std::set<std::size_t> front(best.begin(), best.end());
    ASSERT_FALSE(front.empty());
    const auto finished = [&](std::size_t cell) { return results[cell].runs == results[cell].items; };
    for (std::size_t cell = 0; cell < results.size(); ++cell) {
        bool beaten = !finished(cell);
        for (std::size_t other = 0; other < results.size(); ++other) {
            if (!finished(other)) continue;
            const bool as_good = results[other].accuracy.share >= results[cell].accuracy.share &&
                                 results[other].tokens_per_s >= results[cell].tokens_per_s;
            const bool better = results[other].accuracy.share > results[cell].accuracy.share ||
                                results[other].tokens_per_s > results[cell].tokens_per_s;
            beaten = beaten || (as_good && better);
        }
        EXPECT_EQ(front.contains(cell), !beaten) << cell;
    }
}

TEST_F(ExperimentCharts, KeysGoFromCellToCell) {
    show(sampleExperiment());
    budget.setFocus();
    QTest::keyClick(&budget, Qt::Key_Right);
    EXPECT_EQ(selection.cell(), cellAt(0, 0));
    QTest::keyClick(&budget, Qt::Key_Right);
    QTest::keyClick(&budget, Qt::Key_Down);
    EXPECT_EQ(selection.cell(), cellAt(1, 1));
    QTest::keyClick(&budget, Qt::Key_Up);
    QTest::keyClick(&budget, Qt::Key_Left);
    QTest::keyClick(&budget, Qt::Key_Left);
    EXPECT_EQ(selection.cell(), cellAt(0, 0)) << "there is nothing before the first";
    QSignalSpy asked(&budget, &ExperimentChart::runsAsked);
    QTest::keyClick(&budget, Qt::Key_Return);
    EXPECT_EQ(asked.count(), 1);
}

TEST_F(ExperimentCharts, TablesHoldWhatIsDrawn) {
    show(sampleExperiment());
    const auto& results = selection.experiment()->results;
    for (ExperimentChart* chart : {static_cast<ExperimentChart*>(&budget), static_cast<ExperimentChart*>(&map)}) {
        const auto rows = parseCsv(chart->csv());
        ASSERT_EQ(rows.size(), 1 + 15);
        const auto column = rows.front().indexOf(u"accuracy"_s);
        for (std::size_t i = 0; i < 15; ++i) {
            const CellResult& result = results[*selection.slice().cells[i]];
            EXPECT_NEAR(rows[static_cast<qsizetype>(i) + 1][column].toDouble(), result.accuracy.share, 1e-6);
        }
    }
    const auto lengths = parseCsv(distribution.csv());
    std::map<QString, int> last;
    for (const QStringList& row : lengths.mid(1)) {
        const QString cell = row.mid(0, 5).join(u',');
        EXPECT_GT(row[7].toInt(), last[cell]) << "cumulative";
        last[cell] = row[7].toInt();
    }
    for (const auto& [cell, runs] : last) EXPECT_EQ(runs, 40) << cell.toStdString();
    EXPECT_EQ(parseCsv(cost.csv()).size(), 1 + 15);
}

TEST_F(ExperimentCharts, SayWhyTheyAreEmpty) {
    const auto inked = [](ExperimentChart& chart) {
        const QImage image = chart.renderToImage(1.0);
        std::set<QRgb> found;
        for (int y = 0; y < image.height(); ++y) {
            for (int x = 0; x < image.width(); ++x) found.insert(image.pixel(x, y));
        }
        return found;
    };
    for (ExperimentChart* chart : charts()) EXPECT_GT(inked(*chart).size(), 3U) << "an icon and words";
    test::SampleExperiment sample;
    sample.judged = false;
    show(sampleExperiment(sample));
    EXPECT_FALSE(inked(budget).contains(laneColour(1).rgb())) << "no line without an answer to judge";
    EXPECT_TRUE(inked(distribution).contains(laneColour(1).rgb())) << "lengths are there all the same";
    EXPECT_TRUE(budget.markOf(cellAt(0, 0)).isNull());
    sample.judged = true;
    show(sampleExperiment(sample));
    EXPECT_TRUE(inked(budget).contains(laneColour(1).rgb()));
}

TEST_F(ExperimentCharts, ATextHasNoAccuracy) {
    test::SampleExperiment sample;
    sample.texts = {"wiki"};
    show(sampleExperiment(sample));
    EXPECT_FALSE(budget.markOf(cellAt(0, 0)).isNull());
    selection.setTask(1);
    show(sampleExperiment(sample));
    const std::size_t text = selection.frame()->cells.size() - 1;
    ASSERT_EQ(selection.frame()->cells[text].task, 1U);
    for (ExperimentChart* chart : charts()) {
        EXPECT_TRUE(chart->markOf(text).isNull()) << chart->viewName().toStdString();
        EXPECT_EQ(parseCsv(chart->csv()).size(), 1) << "the header alone: no accuracy is not accuracy 0";
        QTest::keyClick(chart, Qt::Key_Right);
        EXPECT_FALSE(selection.cell().has_value());
    }
    selection.setCell(text);
    EXPECT_EQ(selection.task(), 1U);
    const QString told = describeCell(*selection.experiment(), text);
    EXPECT_TRUE(told.startsWith(u"top-k:k=1 · wiki"_s)) << told.toStdString();
    EXPECT_TRUE(told.contains(u"over 4,000 tokens"_s)) << told.toStdString();
    EXPECT_TRUE(told.contains(u"0.2000 [0.2000, 0.2000] nats a token"_s)) << told.toStdString();

    sample.lanes = {1, 4};
    show(sampleExperiment(sample));
    selection.setCell(selection.frame()->cells.size() - 1);
    EXPECT_EQ(selection.task(), 1U);
    EXPECT_EQ(selection.lanes(), 1U);
    EXPECT_TRUE(
        describeCell(*selection.experiment(), *selection.cell()).startsWith(u"top-k:k=1 · wiki · batch of 4"_s));
    EXPECT_TRUE(batch.isEmpty());
    EXPECT_EQ(parseCsv(batch.csv()).size(), 1);
}

TEST_F(ExperimentCharts, TheLegendStaysInsideHoweverLongTheNames) {
    std::vector<std::pair<QString, int>> entries;
    for (const std::string& policy : test::longPolicyNames())
        entries.emplace_back(QString::fromStdString(policy), static_cast<int>(entries.size()));
    for (const QSize size : {QSize(300, 200), QSize(520, 240), QSize(1200, 500)}) {
        QImage image(size, QImage::Format_RGB32);
        image.fill(colours().base);
        QPainter painter(&image);
        const QRectF left = paintSeriesLegend(painter, QRectF(QPointF(0, 0), size), entries);
        EXPECT_LT(left.top(), size.height() * 0.75) << size.width();
        EXPECT_EQ(left.bottom(), size.height());
        painter.end();
        for (int y = 0; y < size.height(); ++y)
            EXPECT_EQ(image.pixel(size.width() - 2, y), colours().base.rgb()) << "cut at " << size.width();
    }
}

TEST_F(ExperimentCharts, MorePoliciesThanAChartTellsApartComeInPages) {
    test::SampleExperiment sample;
    sample.policies.clear();
    for (int k = 0; k < 20; ++k) sample.policies.push_back("top-k:k=" + std::to_string(k + 1));
    show(sampleExperiment(sample));
    EXPECT_EQ(selection.pageCount(), 3U);
    EXPECT_EQ(selection.shownPolicies().size(), 8U);
    for (std::size_t page = 0; page < 3; ++page) {
        selection.setPage(page);
        std::set<std::int32_t> tags;
        for (const std::size_t policy : selection.shownPolicies()) tags.insert(policyTag(policy));
        EXPECT_EQ(tags.size(), selection.shownPolicies().size()) << "each looks different";
        EXPECT_EQ(selection.shownPolicies().front(), 0U) << "the baseline is on every page";
    }
    selection.setCell(cellAt(9, 0));
    EXPECT_EQ(selection.page(), 1U) << "what is selected is shown";
}

TEST_F(ExperimentCharts, Pictures) {
    test::SampleExperiment many;
    many.policies = test::longPolicyNames();
    many.unfinished_from = 31;
    test::SampleExperiment one;
    one.policies = {"model"};
    const std::pair<QString, ExperimentPointer> states[] = {{u"empty"_s, std::make_shared<ExperimentSnapshot>()},
                                                            {u"one"_s, sampleExperiment(one)},
                                                            {u"three"_s, sampleExperiment()},
                                                            {u"eight"_s, sampleExperiment(many)}};
    for (const ThemeChoice theme : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(theme);
        for (const auto& [name, experiment] : states) {
            selection.setExperiment(experiment);
            for (ExperimentChart* chart : charts()) {
                for (const QSize size : {QSize(510, 250), QSize(798, 440)}) {
                    chart->resize(size);
                    test::keepPicture(chart->renderToImage(1.0),
                                      u"%1-%2-%3-%4"_s.arg(chart->viewName(), name)
                                          .arg(size.width())
                                          .arg(theme == ThemeChoice::kDark ? u"dark"_s : u"light"_s));
                }
            }
        }
    }
    test::SampleExperiment sizes;
    sizes.lanes = {1, 2, 4, 8, 16, 32};
    for (const ThemeChoice theme : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(theme);
        selection.setExperiment(sampleExperiment(sizes));
        for (const SpeedMeasure measure : {SpeedMeasure::kTimePerToken, SpeedMeasure::kTokensPerSecond}) {
            batch.setMeasure(measure);
            batch.resize(510, 250);
            test::keepPicture(batch.renderToImage(1.0), u"speed-lanes-%1-%2"_s.arg(static_cast<int>(measure))
                                                            .arg(theme == ThemeChoice::kDark ? u"dark"_s : u"light"_s));
        }
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
}

}  // namespace
}  // namespace mixoscope
