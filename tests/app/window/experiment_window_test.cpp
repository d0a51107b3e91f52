// Experiments in the window with real events: run, held, stopped, gone on with, pointed at, edited, exported; their
// table is that of `mixoscope sweep`.
#include <QApplication>
#include <QDir>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFile>
#include <QFileDialog>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QProcess>
#include <QPushButton>
#include <QStackedWidget>
#include <QTabBar>
#include <QTableView>
#include <QTest>
#include <QTimer>
#include <QToolButton>
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/run_program_test.h"
#include "app/window/experiment_workspace.h"
#include "sessions/csv_reader.h"
#include "sessions/experiment_store.h"
#include "support/paths.h"
#include "views/accuracy_budget_chart.h"
#include "views/experiment_editor.h"
#include "views/experiment_policy_row.h"
#include "views/experiment_results_view.h"
#include "views/experiment_runs_view.h"
#include "views/experiment_task_row.h"
#include "views/expert_inspector.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using nlohmann::json;
using test::waitFor;

using Rows = std::vector<std::vector<std::string>>;

std::string contentOf(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

/// A table without what the clock decides.
Rows withoutTimes(const std::string& csv) {
    Rows rows = readCsv(csv, "results.csv");
    for (std::size_t column = 0; column < rows.front().size(); ++column) {
        const std::string header = rows.front()[column];
        if (!header.ends_with("_ms") && !header.starts_with("tokens_per_s")) continue;
        for (auto& row : rows) row[column].clear();
    }
    return rows;
}

class ExperimentWindow : public test::WindowTest {
protected:
    ExperimentWindow() {
        experiment = {
            {"name", "small"},
            {"model", test::demoModel().string()},
            {"soft_switch", true},
            {"max_tokens", 120},
            {"lanes", 4},
            {"tasks", {{{"file", (test::resourcesDirectory() / "demo/eval/sums.jsonl").string()}, {"limit", 8}}}},
            {"policies", {"model", "top-k:k=1"}},
            {"modes", {"think", "no_think"}},
            {"budgets", {8, "unlimited"}}};
        write();
    }
    std::filesystem::path file() const { return directory.path() / "small.json"; }
    void write() const { std::ofstream(file()) << experiment.dump(2); }
    void enter(QSize size = {1600, 1000}) {
        ASSERT_NO_FATAL_FAILURE(open({}, size));
        QTest::keyClick(window.get(), Qt::Key_3, Qt::ControlModifier);
        ASSERT_EQ(window->workspace(), Workspace::kExperiments);
    }
    ExperimentWorkspace& experiments() const { return window->experiments(); }
    const ExperimentSnapshot& shown() const { return *experiments().latest(); }
    void openFile() {
        window->open(QString::fromStdString(file().string()));
        ASSERT_TRUE(waitFor([this] { return isReady(); }));
        ASSERT_FALSE(shown().error.has_value()) << Error(*shown().error).what();
    }
    bool isReady() const { return shown().state == ExperimentState::kReady && shown().frame != nullptr; }
    void press(const QString& button) const { QTest::mouseClick(&find<QPushButton>(button), Qt::LeftButton); }
    Rows table() const { return withoutTimes(experiments().results().csv().toStdString()); }
    /// What the command line makes of the same file, in a folder of its own.
    Rows sweptTable() const {
        const std::filesystem::path out = directory.path() / "swept";
        const auto result = test::runProgramWith({"sweep", file().string(), "--out", out.string()});
        EXPECT_EQ(result.status, 0) << result.err;
        return withoutTimes(contentOf(out / "results.csv"));
    }
    void runToTheEnd() {
        press(u"experiment_run"_s);
        ASSERT_TRUE(waitFor([this] { return shown().isComplete() && isReady(); }));
    }
    /// Types a name into the next file dialog.
    static void answerFileDialog(const QString& name) {
        auto* timer = new QTimer(qApp);
        QObject::connect(timer, &QTimer::timeout, timer, [timer, name] {
            auto* dialog = qobject_cast<QFileDialog*>(QApplication::activeModalWidget());
            if (dialog == nullptr) return;
            timer->deleteLater();
            auto* field = dialog->findChild<QLineEdit*>(u"fileNameEdit"_s);
            field->setText(name);
            QTest::keyClick(field, Qt::Key_Return);
        });
        timer->start(20);
    }
    static void writeInto(QLineEdit& field, const QString& text) {
        field.setFocus();
        field.selectAll();
        QTest::keyClicks(&field, text);
    }
    void selectCell(std::size_t cell) const {
        AccuracyBudgetChart& chart = experiments().budgetChart();
        QTest::mouseClick(&chart, Qt::LeftButton, {}, chart.markOf(cell).center().toPoint());
        ASSERT_EQ(experiments().selection().cell(), cell);
    }

    json experiment;
};

TEST_F(ExperimentWindow, SaysWhatAnExperimentIsAndRunsTheDemosWithOneClick) {
    ASSERT_NO_FATAL_FAILURE(enter());
    EXPECT_TRUE(find<QWidget>(u"experiment_start"_s).isVisible());
    EXPECT_FALSE(find<QWidget>(u"experiment_progress_bar"_s).isVisible());
    keepPicture(u"experiments-empty"_s);
    press(u"experiment_demo"_s);
    ASSERT_TRUE(waitFor([this] { return shown().done > 0; }))
        << find<QLabel>(u"experiment_error"_s).text().toStdString();
    EXPECT_EQ(shown().frame->experiment.name, "demo-budget");
    EXPECT_TRUE(experiments().budgetChart().isVisible());
    EXPECT_FALSE(find<QWidget>(u"experiment_start"_s).isVisible());
    press(u"experiment_stop"_s);
    ASSERT_TRUE(waitFor([this] { return isReady(); }));
    EXPECT_TRUE(std::filesystem::exists(directory.path() / "experiments/demo-budget/experiment.mixo"));
}

TEST_F(ExperimentWindow, TheTableIsThatOfTheSweep) {
    ASSERT_NO_FATAL_FAILURE(enter());
    ASSERT_NO_FATAL_FAILURE(openFile());
    EXPECT_EQ(find<QLabel>(u"experiment_state"_s).text(), u"Ready to run"_s);
    ASSERT_NO_FATAL_FAILURE(runToTheEnd());
    EXPECT_EQ(table(), sweptTable());
    const QTableView& results = experiments().results().table();
    ASSERT_EQ(results.model()->rowCount(), 6);
    EXPECT_FALSE(find<QPushButton>(u"experiment_run"_s).isEnabled());
    EXPECT_EQ(find<QPushButton>(u"experiment_run"_s).toolTip(), u"All runs are done"_s);

    // Exported through the bar: the files of the command line.
    const std::filesystem::path folder = directory.path() / "csv";
    std::filesystem::create_directory(folder);
    answerFileDialog(QString::fromStdString(folder.string()));
    QTest::mouseClick(&find<QToolButton>(u"experiment_csv"_s), Qt::LeftButton);
    ASSERT_TRUE(
        waitFor([&] { return find<QLabel>(u"experiment_message"_s).text().contains(u"task_load.csv written"_s); }));
    EXPECT_EQ(withoutTimes(contentOf(folder / "results.csv")), table());
    EXPECT_EQ(withoutTimes(contentOf(folder / "runs.csv")),
              withoutTimes(contentOf(directory.path() / "swept/runs.csv")));
    const std::filesystem::path report = directory.path() / "report.html";
    answerFileDialog(QString::fromStdString(report.string()));
    QTest::mouseClick(&find<QToolButton>(u"experiment_report"_s), Qt::LeftButton);
    ASSERT_TRUE(waitFor([&] { return find<QLabel>(u"experiment_message"_s).text().contains(u"Report written"_s); }));
    const std::string html = contentOf(report);
    EXPECT_NE(html.find(shown().identity.model_hash), std::string::npos);
    EXPECT_NE(html.find("<svg "), std::string::npos);

    // And read again, from the file of its results.
    const auto store = shown().store;
    const Rows before = table();
    TearDown();
    ASSERT_NO_FATAL_FAILURE(open({}));
    window->open(QString::fromStdString(store.string()));
    ASSERT_TRUE(waitFor([this] { return isReady(); }));
    EXPECT_EQ(window->workspace(), Workspace::kExperiments);
    EXPECT_EQ(table(), before);
    keepPicture(u"experiments-done"_s);
}

TEST_F(ExperimentWindow, HeldStoppedAndGoneOnWithItEndsTheSame) {
    experiment["tasks"][0]["limit"] = 30;
    experiment["lanes"] = 1;
    write();
    ASSERT_NO_FATAL_FAILURE(enter());
    ASSERT_NO_FATAL_FAILURE(openFile());
    QTest::keyClick(window.get(), Qt::Key_F5);
    ASSERT_TRUE(waitFor([this] { return shown().state == ExperimentState::kRunning; }));
    EXPECT_TRUE(find<QLabel>(u"experiment_lock"_s).isVisible());
    QTest::keyClick(window.get(), Qt::Key_F5);
    ASSERT_TRUE(waitFor([this] { return shown().state == ExperimentState::kPaused; }));
    const std::int64_t held = shown().done;
    ASSERT_LT(held, shown().total);
    EXPECT_EQ(find<QPushButton>(u"experiment_run"_s).text(), u"Go on"_s);
    QTest::qWait(50);
    EXPECT_EQ(shown().done, held);
    press(u"experiment_run"_s);
    ASSERT_TRUE(waitFor([&] { return shown().done > held; }));
    press(u"experiment_stop"_s);
    ASSERT_TRUE(waitFor([this] { return isReady(); }));
    ASSERT_LT(shown().done, shown().total) << "the stop came too late to be one";
    ASSERT_NO_FATAL_FAILURE(runToTheEnd());
    EXPECT_EQ(table(), sweptTable());
}

TEST_F(ExperimentWindow, GoesOnWithASweepThatWasKilled) {
    experiment["tasks"][0]["limit"] = 60;
    experiment["lanes"] = 1;
    write();
    const std::filesystem::path store = directory.path() / "experiments/small/experiment.mixo";
    QProcess sweep;
    sweep.start(QString::fromStdString(test::programPath().string()),
                {u"sweep"_s, QString::fromStdString(file().string()), u"--out"_s,
                 QString::fromStdString(store.parent_path().string())});
    ASSERT_TRUE(sweep.waitForStarted());
    const auto committed = [&]() -> std::size_t {
        try {
            return ExperimentStore::open(store).done().size();
        } catch (const Error&) {
            return 0;  // not there yet
        }
    };
    ASSERT_TRUE(waitFor([&] { return committed() > 0; }));
    sweep.kill();
    sweep.waitForFinished();
    const std::size_t kept = committed();
    ASSERT_NO_FATAL_FAILURE(enter());
    ASSERT_NO_FATAL_FAILURE(openFile());
    ASSERT_EQ(shown().done, static_cast<std::int64_t>(kept));
    ASSERT_LT(shown().done, shown().total) << "the kill came too late to be one";
    ASSERT_NO_FATAL_FAILURE(runToTheEnd());
    EXPECT_EQ(ExperimentStore::open(store).done().size(), static_cast<std::size_t>(shown().total));
    EXPECT_EQ(table(), sweptTable());
}

TEST_F(ExperimentWindow, APointLeadsToItsRunsAndARunToTheChat) {
    ASSERT_NO_FATAL_FAILURE(enter());
    ASSERT_NO_FATAL_FAILURE(openFile());
    ASSERT_NO_FATAL_FAILURE(runToTheEnd());
    const std::size_t cell = 1;  // model, think, unlimited
    ASSERT_NO_FATAL_FAILURE(selectCell(cell));
    QTableView& runs = experiments().runs().table();
    ASSERT_TRUE(runs.isVisible());
    ASSERT_EQ(runs.model()->rowCount(), 8);
    EXPECT_EQ(experiments().results().table().selectionModel()->selectedRows().size(), 1);
    runs.setFocus();
    QTest::keyClick(&runs, Qt::Key_Down);
    const RunResult& run = (*shown().runs[cell])[1];
    const QString detail = find<QPlainTextEdit>(u"experiment_run_text"_s).toPlainText();
    EXPECT_TRUE(detail.contains(u"Answer: "_s + QString::fromStdString(run.answer).trimmed())) << detail.toStdString();
    EXPECT_FALSE(find<QPushButton>(u"experiment_run_replay"_s).isEnabled());
    EXPECT_FALSE(find<QPushButton>(u"experiment_run_replay"_s).toolTip().isEmpty());
    // Wrong ones only.
    const auto wrong = std::ranges::count_if(*shown().runs[cell], [](const RunResult& r) { return !r.correct; });
    QTest::mouseClick(&find<QToolButton>(u"run_filter_1"_s), Qt::LeftButton);
    EXPECT_EQ(runs.model()->rowCount(), wrong);
    QTest::mouseClick(&find<QToolButton>(u"run_filter_0"_s), Qt::LeftButton);
    runs.selectRow(1);

    auto& ask = find<QPushButton>(u"experiment_run_ask"_s);
    EXPECT_FALSE(ask.isEnabled()) << "the chat has no model yet";
    EXPECT_TRUE(ask.toolTip().contains(u"Open the experiment's model"_s)) << ask.toolTip().toStdString();
    window->openModel(QString::fromStdString(test::demoModel().string()));
    ASSERT_TRUE(waitFor([&] { return ask.isEnabled(); })) << ask.toolTip().toStdString();
    QTest::mouseClick(&ask, Qt::LeftButton);
    EXPECT_EQ(window->workspace(), Workspace::kChat);
    ASSERT_TRUE(waitFor([this] {
        return latest()->state == WorkbenchState::kReady && !latest()->lanes.empty() &&
               !latest()->lanes.front().turns.empty() && turn().stop_reason != StopReason::kNone;
    }));
    // The chat leaves out the blank lines between block and answer.
    EXPECT_EQ(QString::fromStdString(turn().answer_text), QString::fromStdString(run.answer).trimmed());
    EXPECT_EQ(turn().thinking_tokens, run.thinking_tokens);
    EXPECT_EQ(turn().answer_tokens, run.answer_tokens);

    // What the runs tell of the tasks stands beside the conversation with the same model.
    window->selection().setExpert(3);
    window->showPanel(u"expert"_s);
    auto& inspector = find<ExpertInspector>(u"expertInspector"_s);
    QTest::mouseClick(&find<QToolButton>(u"expertPage3"_s), Qt::LeftButton);
    ASSERT_EQ(inspector.page(), ExpertInspector::Page::kTasks);
    ASSERT_EQ(inspector.tasks().rows().size(), 1U);
    EXPECT_EQ(inspector.tasks().rows()[0].part, shown().task_loads[0]->selections[3]);
    EXPECT_GT(inspector.tasks().rows()[0].whole, 0);
}

TEST_F(ExperimentWindow, TheFormSaysWhatIsWrongBesideItAndMakesAnExperiment) {
    ASSERT_NO_FATAL_FAILURE(enter());
    press(u"experiment_new"_s);
    ASSERT_TRUE(waitFor([this] { return isReady() && shown().model != nullptr; }));
    ExperimentEditor& editor = experiments().editor();
    ASSERT_TRUE(editor.isVisible());
    ASSERT_TRUE(waitFor([&] { return editor.task(0).items().has_value(); }));
    auto& use = find<QPushButton>(u"experiment_use"_s);
    auto& budgets = find<QLineEdit>(u"experiment_budgets"_s);
    auto& totals = find<QLabel>(u"experiment_totals"_s);
    EXPECT_FALSE(use.isEnabled()) << "nothing was changed";
    EXPECT_TRUE(totals.text().startsWith(u"2 cells, 100 runs"_s)) << totals.text().toStdString();
    EXPECT_TRUE(totals.text().contains(u"no estimate"_s));

    writeInto(budgets, u"8, lots"_s);
    const QLabel& error = find<QLabel>(u"experiment_budgets_error"_s);
    EXPECT_TRUE(error.isVisible());
    EXPECT_TRUE(error.text().contains(u"lots"_s)) << error.text().toStdString();
    EXPECT_FALSE(use.isEnabled());
    writeInto(budgets, u"8, unlimited"_s);
    EXPECT_FALSE(error.isVisible());
    writeInto(editor.policy(1).field(), u"top-k:k=99"_s);
    EXPECT_TRUE(editor.policy(1).problem().contains(u"99"_s)) << editor.policy(1).problem().toStdString();
    EXPECT_FALSE(use.isEnabled());
    writeInto(editor.policy(1).field(), u"model"_s);
    EXPECT_FALSE(editor.policy(1).problem().isEmpty()) << "given twice";
    writeInto(editor.policy(1).field(), u"top-k:k=1"_s);
    auto& task_file = *editor.task(0).findChild<QLineEdit*>(u"task_file"_s);
    const QString sums = task_file.text();
    writeInto(task_file, u"/nowhere/gone.jsonl"_s);
    ASSERT_TRUE(waitFor([&] { return editor.task(0).problem().contains(u"gone.jsonl"_s); }));
    EXPECT_FALSE(use.isEnabled());
    writeInto(task_file, sums);
    ASSERT_TRUE(waitFor([&] { return editor.task(0).items().has_value(); }));
    keepPicture(u"experiments-form"_s);
    EXPECT_TRUE(totals.text().startsWith(u"4 cells, 200 runs"_s)) << totals.text().toStdString();
    ASSERT_TRUE(use.isEnabled()) << use.toolTip().toStdString();

    // Saved, the command line reads it; used, it is the same experiment.
    const QString path = QString::fromStdString((directory.path() / "own.json").string());
    answerFileDialog(path);
    press(u"experiment_save"_s);
    ASSERT_TRUE(QFile::exists(path));
    const Experiment saved = readExperiment(path.toStdString());
    EXPECT_EQ(saved.budgets, (std::vector<std::int32_t>{8, kUnlimitedBudget}));
    EXPECT_EQ(saved.policies, (std::vector<std::string>{"model", "top-k:k=1"}));
    QTest::mouseClick(&use, Qt::LeftButton);
    ASSERT_TRUE(waitFor([this] { return isReady() && shown().total == 200; }));
    EXPECT_EQ(experimentJson(shown().frame->experiment), experimentJson(saved));
    EXPECT_FALSE(use.isEnabled());
}

TEST_F(ExperimentWindow, ADroppedFileThatIsNoneSaysWhyAndTheNextOneOpens) {
    ASSERT_NO_FATAL_FAILURE(open({}));
    const auto drop = [&](const std::filesystem::path& path) {
        QMimeData dropped;
        dropped.setUrls({QUrl::fromLocalFile(QString::fromStdString(path.string()))});
        QDragEnterEvent entering({40, 40}, Qt::CopyAction, &dropped, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(window.get(), &entering);
        ASSERT_TRUE(entering.isAccepted());
        QDropEvent dropping({40, 40}, Qt::CopyAction, &dropped, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(window.get(), &dropping);
    };
    std::ofstream(directory.path() / "broken.json") << R"({"tasks": 7})";
    ASSERT_NO_FATAL_FAILURE(drop(directory.path() / "broken.json"));
    EXPECT_EQ(window->workspace(), Workspace::kExperiments);
    const QLabel& error = find<QLabel>(u"experiment_error"_s);
    ASSERT_TRUE(waitFor([&] { return error.isVisible(); }));
    EXPECT_TRUE(error.text().contains(u"tasks"_s)) << error.text().toStdString();
    ASSERT_NO_FATAL_FAILURE(drop(file()));
    ASSERT_TRUE(waitFor([this] { return isReady(); }));
    EXPECT_EQ(shown().frame->experiment.name, "small");
    EXPECT_EQ(shown().total, 6 * 8);
}

}  // namespace
}  // namespace mixoscope
