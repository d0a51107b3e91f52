// Results and runs of an experiment as tables, and the fields of its form.
#include <QClipboard>
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTableView>
#include <QTest>
#include <QToolButton>
#include <cmath>
#include <fstream>

#include "gtest/gtest.h"
#include "sample_experiment_test.h"
#include "support/temporary_directory.h"
#include "views/experiment_editor.h"
#include "views/experiment_fields.h"
#include "views/experiment_progress.h"
#include "views/experiment_results_view.h"
#include "views/experiment_runs_view.h"
#include "views/experiment_task_row.h"
#include "views/format.h"
#include "views/models/experiment_results_model.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::sampleExperiment;

TEST(ExperimentResultsViewTest, ShowsARowACellAndItsSelection) {
    ExperimentSelection selection;
    ExperimentResultsView view(selection);
    view.resize(900, 300);
    view.show();
    selection.setExperiment(sampleExperiment());
    QTableView& table = view.table();
    ASSERT_EQ(table.model()->rowCount(), 15);
    EXPECT_TRUE(table.isColumnHidden(ExperimentResultsModel::kTask)) << "there is but one";
    EXPECT_FALSE(table.isColumnHidden(ExperimentResultsModel::kMode));
    EXPECT_EQ(view.csv(),
              QString::fromStdString(resultsCsv(selection.frame()->experiment, selection.experiment()->results))
                  .remove(u'\r'));
    QTest::mouseClick(table.viewport(), Qt::LeftButton, {}, table.visualRect(table.model()->index(4, 0)).center());
    EXPECT_EQ(selection.cell(), 4U);
    selection.setCell(7);
    EXPECT_EQ(table.currentIndex().row(), 7);
    EXPECT_EQ(view.selectedText().count(u'\n'), 2) << "the header and the row";
    selection.setCell(std::nullopt);
    EXPECT_TRUE(table.selectionModel()->selectedRows().isEmpty());
}

TEST(ExperimentResultsViewTest, SortsByValueAndPutsTheAbsentLast) {
    test::SampleExperiment sample;
    sample.unfinished_from = 10;
    ExperimentSelection selection;
    ExperimentResultsView view(selection);
    selection.setExperiment(sampleExperiment(sample));
    QTableView& table = view.table();
    for (const Qt::SortOrder order : {Qt::AscendingOrder, Qt::DescendingOrder}) {
        table.sortByColumn(ExperimentResultsModel::kAccuracy, order);
        double before = order == Qt::AscendingOrder ? -1.0 : 2.0;
        bool absent = false;
        for (int row = 0; row < 15; ++row) {
            const double value = table.model()
                                     ->index(row, ExperimentResultsModel::kAccuracy)
                                     .data(ExperimentResultsModel::kSortRole)
                                     .toDouble();
            if (std::isnan(value)) {
                absent = true;
                continue;
            }
            EXPECT_FALSE(absent) << "row " << row;
            EXPECT_TRUE(order == Qt::AscendingOrder ? value >= before : value <= before) << "row " << row;
            before = value;
        }
        EXPECT_TRUE(absent);
    }
    // The selection is the cell's, wherever its row is.
    const QModelIndex first = table.model()->index(0, ExperimentResultsModel::kAccuracy);
    table.setCurrentIndex(first);
    ASSERT_TRUE(selection.cell().has_value());
    EXPECT_DOUBLE_EQ(selection.experiment()->results[*selection.cell()].accuracy.share,
                     first.data(ExperimentResultsModel::kSortRole).toDouble());
}

TEST(ExperimentResultsViewTest, ATextHasAPerplexityInPlaceOfAnAccuracy) {
    test::SampleExperiment sample;
    ExperimentSelection selection;
    ExperimentResultsView view(selection);
    selection.setExperiment(sampleExperiment(sample));
    EXPECT_TRUE(view.table().isColumnHidden(ExperimentResultsModel::kPerplexity)) << "nothing is scored";
    sample.texts = {"wiki"};
    selection.setExperiment(sampleExperiment(sample));
    const QAbstractItemModel& model = *view.table().model();
    ASSERT_EQ(model.rowCount(), 15 + 3);
    const auto text = [&](int row, int column) { return model.index(row, column).data().toString(); };
    const double mean = std::exp(2.1 + 2.875 / 100.0);  // of forty windows, 0 to 6 nats on top by turns
    EXPECT_TRUE(text(16, ExperimentResultsModel::kPerplexity).startsWith(format::fixed(mean, 2)))
        << text(16, ExperimentResultsModel::kPerplexity).toStdString();
    EXPECT_EQ(text(15, ExperimentResultsModel::kNllChange), u"baseline"_s);
    EXPECT_EQ(text(16, ExperimentResultsModel::kNllChange), u"0.1000 [0.1000, 0.1000]"_s);
    for (const int column : {ExperimentResultsModel::kAccuracy, ExperimentResultsModel::kMode,
                             ExperimentResultsModel::kBudget, ExperimentResultsModel::kThinking}) {
        EXPECT_EQ(text(16, column), format::kAbsent);
        EXPECT_FALSE(model.index(16, column).data(Qt::ToolTipRole).toString().isEmpty());
    }
    EXPECT_EQ(text(3, ExperimentResultsModel::kPerplexity), format::kAbsent);
    EXPECT_NE(text(3, ExperimentResultsModel::kAccuracy), format::kAbsent);
    EXPECT_EQ(text(16, ExperimentResultsModel::kExperts), u"1.00"_s);
    sample.tasks.clear();
    selection.setExperiment(sampleExperiment(sample));
    EXPECT_TRUE(view.table().isColumnHidden(ExperimentResultsModel::kAccuracy)) << "nothing is asked";
}

TEST(ExperimentRunsViewTest, AWindowOfATextShowsItsScoreAndCannotBeAsked) {
    test::SampleExperiment sample;
    sample.texts = {"wiki"};
    ExperimentSelection selection;
    ExperimentRunsView view(selection);
    view.resize(900, 400);
    view.show();
    selection.setExperiment(sampleExperiment(sample));
    selection.setCell(selection.frame()->cells.size() - 3);
    view.table().selectRow(1);
    auto& ask = *view.findChild<QPushButton*>(u"experiment_run_ask"_s);
    EXPECT_FALSE(ask.isEnabled());
    EXPECT_TRUE(ask.toolTip().contains(u"scored"_s)) << ask.toolTip().toStdString();
    const QString told = view.findChild<QPlainTextEdit*>(u"experiment_run_text"_s)->toPlainText();
    EXPECT_TRUE(told.contains(u"perplexity 7.46, 100 tokens"_s)) << told.toStdString();  // exp(201 / 100)
}

TEST(ExperimentRunsViewTest, ListsTheRunsOfTheCellAndSaysWhatCannotBeDone) {
    ExperimentSelection selection;
    ExperimentRunsView view(selection);
    view.resize(900, 400);
    view.show();
    auto& ask = *view.findChild<QPushButton*>(u"experiment_run_ask"_s);
    selection.setExperiment(sampleExperiment());
    EXPECT_FALSE(view.table().isVisible()) << "no cell is selected";
    selection.setCell(3);
    ASSERT_TRUE(view.table().isVisible());
    EXPECT_EQ(view.table().model()->rowCount(), 40);
    EXPECT_TRUE(ask.isEnabled());
    QSignalSpy asked(&view, &ExperimentRunsView::askAsked);
    view.table().selectRow(2);
    QTest::mouseClick(&ask, Qt::LeftButton);
    ASSERT_EQ(asked.count(), 1);
    EXPECT_EQ(asked.front()[0].value<std::size_t>(), 3U);
    EXPECT_EQ(asked.front()[1].value<std::size_t>(), 2U);
    view.setAskDisabledReason(u"not now"_s);
    EXPECT_FALSE(ask.isEnabled());
    EXPECT_EQ(ask.toolTip(), u"not now"_s);
    int right = 0;
    for (const RunResult& run : *selection.experiment()->runs[3]) right += run.correct ? 1 : 0;
    QTest::mouseClick(view.findChild<QToolButton*>(u"run_filter_2"_s), Qt::LeftButton);
    EXPECT_EQ(view.table().model()->rowCount(), right);
    EXPECT_EQ(parseCsv(view.csv()).size(), right + 1);
    EXPECT_TRUE(
        view.findChild<QPlainTextEdit*>(u"experiment_run_text"_s)->toPlainText().startsWith(u"Prompt: What is"_s));
}

TEST(ExperimentTaskRowTest, ATextHasWindowsInPlaceOfARule) {
    const test::TemporaryDirectory directory;
    ExperimentTask task;
    task.name = "wiki";
    task.file = directory / "wiki.raw";
    task.layout = TaskLayout::kText;
    task.window = 64;
    task.stride = 32;
    std::ofstream(task.file) << "some text";
    ExperimentTaskRow row;
    row.show();
    row.showTask(task);
    auto& window = *row.findChild<QSpinBox*>(u"task_window"_s);
    auto& stride = *row.findChild<QSpinBox*>(u"task_stride"_s);
    auto& rule = *row.findChild<QLineEdit*>(u"task_rule"_s);
    auto& layout = *row.findChild<QComboBox*>(u"task_layout"_s);
    EXPECT_TRUE(window.isVisible());
    EXPECT_FALSE(rule.isVisible());
    EXPECT_EQ(row.task().window, 64);
    EXPECT_EQ(row.task().stride, 32);
    EXPECT_EQ(row.problem(), QString());
    stride.setValue(65);
    EXPECT_TRUE(row.problem().contains(u"never be read"_s)) << row.problem().toStdString();
    stride.setValue(0);
    window.setValue(1);
    EXPECT_FALSE(row.problem().isEmpty());
    layout.setCurrentIndex(layout.findText(u"prompts"_s));
    EXPECT_FALSE(window.isVisible());
    EXPECT_TRUE(rule.isVisible());
    EXPECT_EQ(row.task().window, 0) << "only a text has windows";
    EXPECT_EQ(row.problem(), QString());
    EXPECT_TRUE(QTest::qWaitFor([&] { return row.items() == 1; })) << "a prompt a line";
    rule.setText(u"exact"_s);
    layout.setCurrentIndex(layout.findText(u"text"_s));
    EXPECT_EQ(row.task().rule, "") << "nothing is judged";
    QTest::qWait(50);
    EXPECT_FALSE(row.items().has_value()) << "the model's tokenizer cuts it";
}

TEST(ExperimentRunsViewTest, OfAllTasksItListsTheRunsOfEachAndNamesTheTask) {
    ExperimentSelection selection;
    ExperimentRunsView view(selection);
    view.show();
    test::SampleExperiment sample;
    sample.tasks = {"sums", "words"};
    selection.setExperiment(sampleExperiment(sample));
    selection.setTask(2);
    selection.setCell(selection.slice().at(1, 2));
    ASSERT_EQ(view.table().model()->rowCount(), 80);
    EXPECT_EQ(view.table().model()->index(0, 0).data().toString(), u"sums 0"_s);
    EXPECT_EQ(view.table().model()->index(79, 0).data().toString(), u"words 39"_s);
    QSignalSpy asked(&view, &ExperimentRunsView::askAsked);
    view.table().selectRow(41);
    QTest::mouseClick(view.findChild<QPushButton*>(u"experiment_run_ask"_s), Qt::LeftButton);
    ASSERT_EQ(asked.count(), 1);
    const auto cell = asked.front()[0].value<std::size_t>();
    EXPECT_EQ(selection.frame()->cells[cell].task, 1U) << "the run's own cell";
    EXPECT_EQ(asked.front()[1].value<std::size_t>(), 1U);
    EXPECT_EQ(parseCsv(view.csv()).back().front(), u"words"_s);
}

TEST(ExperimentProgressTest, SaysWhatTheButtonsDo) {
    ExperimentProgress progress;
    auto& run = *progress.findChild<QPushButton*>(u"experiment_run"_s);
    auto& stop = *progress.findChild<QPushButton*>(u"experiment_stop"_s);
    QSignalSpy runs(&progress, &ExperimentProgress::runAsked);
    QSignalSpy pauses(&progress, &ExperimentProgress::pauseAsked);
    EXPECT_FALSE(run.isEnabled()) << "no experiment";
    test::SampleExperiment sample;
    sample.unfinished_from = 6;
    ExperimentSnapshot state = *sampleExperiment(sample);
    progress.showExperiment(state);
    EXPECT_EQ(run.text(), u"Go on"_s);
    EXPECT_FALSE(stop.isEnabled());
    QTest::mouseClick(&run, Qt::LeftButton);
    EXPECT_EQ(runs.count(), 1);
    state.state = ExperimentState::kRunning;
    state.cell = 5;
    state.elapsed_s = 61.0;
    state.left_s = 130.0;
    progress.showExperiment(state);
    EXPECT_EQ(run.text(), u"Pause"_s);
    EXPECT_TRUE(stop.isEnabled());
    QTest::mouseClick(&run, Qt::LeftButton);
    EXPECT_EQ(pauses.count(), 1);
    const QString facts = progress.findChild<QLabel*>(u"experiment_facts"_s)->text();
    EXPECT_EQ(facts, u"220 of 600 runs · 1 min 1 s elapsed · about 2 min 10 s left"_s) << facts.toStdString();
    EXPECT_TRUE(progress.findChild<QLabel*>(u"experiment_state"_s)->text().contains(u"top-k:k=2 · B 0"_s))
        << progress.findChild<QLabel*>(u"experiment_state"_s)->text().toStdString();
}

TEST(ExperimentFields, ReadWhatTheyWrite) {
    const std::vector<std::int32_t> budgets = {0, 16, kUnlimitedBudget};
    EXPECT_EQ(parseBudgets(budgetsText(budgets)), budgets);
    const std::vector<std::uint64_t> seeds = {0, 18446744073709551615ULL};
    EXPECT_EQ(parseSeeds(seedsText(seeds)), seeds);
    const std::vector<std::int32_t> lanes = {1, 8, 64};
    EXPECT_EQ(parseLanes(lanesText(lanes)), lanes);
    std::vector<Experiment::Sampling> samplings(3);
    samplings[0].greedy = true;
    samplings[2].temperature = 0.7;
    samplings[2].top_k = 20;
    EXPECT_EQ(parseSamplings(samplingsText(samplings)), samplings);
}

TEST(ExperimentFields, SayWhatIsWrong) {
    const auto refusal = [](const auto& parse, const QString& text) {
        try {
            parse(text);
            return std::string("taken");
        } catch (const Error& error) {
            return fieldError(error.parts()).toStdString();
        }
    };
    EXPECT_NE(refusal(parseBudgets, u"8, -1"_s).find("found -1"), std::string::npos);
    EXPECT_NE(refusal(parseBudgets, u"8, 8"_s).find("twice"), std::string::npos);
    EXPECT_NE(refusal(parseBudgets, u" , "_s).find("at least one"), std::string::npos);
    EXPECT_NE(refusal(parseLanes, u"8, 65"_s).find("found 65"), std::string::npos);
    EXPECT_NE(refusal(parseSeeds, u"1.5"_s).find("found 1.5"), std::string::npos);
    EXPECT_NE(refusal(parseSamplings, u"greedy; warm"_s).find("found warm"), std::string::npos);
    EXPECT_NE(refusal(parseSamplings, u"top_p=2"_s).find("0 to 1"), std::string::npos);
    EXPECT_NE(refusal(parseSamplings, u"temperature=0.7x"_s).find("0.7x"), std::string::npos);
}

}  // namespace
}  // namespace mixoscope
