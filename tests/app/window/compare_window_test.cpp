// The compare workspace as a person uses it: four lanes on the demo model, run, read, exported, held against the file.
#include <QApplication>
#include <QComboBox>
#include <QDialog>
#include <QDir>
#include <QFile>
#include <QFileDialog>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollBar>
#include <QSlider>
#include <QTabBar>
#include <QTableView>
#include <QTest>
#include <QTimer>
#include <QToolButton>
#include <algorithm>
#include <fstream>
#include <map>
#include <utility>

#include "app/window/comparison_workspace.h"
#include "sessions/csv_export.h"
#include "sessions/session_file.h"
#include "support/recomputed.h"
#include "views/composer.h"
#include "views/difference_map_view.h"
#include "views/expert_inspector.h"
#include "views/exportable_view.h"
#include "views/lane_editor.h"
#include "views/lane_header.h"
#include "views/lane_style.h"
#include "views/lanes_text.h"
#include "views/lanes_view.h"
#include "views/load_chart.h"
#include "views/metrics_view.h"
#include "views/policy_editor.h"
#include "views/policy_part_form.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

const QStringList kPolicies{u"model"_s, u"top-k:k=1,capacity=1.25"_s, u"any-experts"_s, u"random"_s};

class CompareWindow : public test::WindowTest {
protected:
    void enter(QSize size = {1600, 1000}) {
        ASSERT_NO_FATAL_FAILURE(open("demo", size));
        ASSERT_FALSE(latest()->load_error.has_value()) << Error(*latest()->load_error).what();
        QTest::keyClick(window.get(), Qt::Key_2, Qt::ControlModifier);
        ASSERT_TRUE(test::waitFor([this] { return lanes() == kFewestComparedLanes; }));
    }
    std::size_t lanes() const {
        const auto& comparison = latest()->comparison;
        return comparison == nullptr ? 0 : comparison->lanes.size();
    }
    const ComparisonSnapshot& comparison() const { return *latest()->comparison; }
    LanesView& view() const { return find<LanesView>(u"lanes_view"_s); }
    void setLaneCount(int count) {
        QTest::mouseClick(&find<QToolButton>(u"lane_count_%1"_s.arg(count)), Qt::LeftButton);
        ASSERT_TRUE(test::waitFor([&] { return lanes() == static_cast<std::size_t>(count); }));
    }
    /// Writes the policies into the editor, with keys.
    void setPolicies(const QStringList& policies) {
        QTest::mouseClick(&find<QPushButton>(u"edit_lanes"_s), Qt::LeftButton);
        auto& editor = find<LaneEditor>(u"lane_editor"_s);
        ASSERT_TRUE(test::waitFor([&] { return editor.laneCount() == static_cast<std::size_t>(policies.size()); }));
        for (int i = 0; i < policies.size(); ++i) {
            QLineEdit& field = editor.lane(static_cast<std::size_t>(i)).policy();
            field.setFocus();
            field.selectAll();
            QTest::keyClicks(&field, policies[i]);
            QTest::keyClick(&field, Qt::Key_Return);
            const auto at = static_cast<std::size_t>(i);
            ASSERT_TRUE(test::waitFor([&] {
                return QString::fromStdString(comparison().lanes[at].settings.policy) == policies[i];
            })) << policies[i].toStdString();
        }
        editor.close();
        activate();
    }
    /// Keys go to the window again.
    void activate() {
        window->activateWindow();
        ASSERT_TRUE(QTest::qWaitForWindowActive(window.get()));
    }
    void run(const QString& prompt) {
        view().promptEdit().setFocus();
        view().promptEdit().selectAll();
        QTest::keyClicks(&view().promptEdit(), prompt);
        QTest::keyClick(window.get(), Qt::Key_R, Qt::ControlModifier);
        ASSERT_TRUE(test::waitFor([this] { return latest()->state == WorkbenchState::kComparing || isDone(); }));
    }
    bool hasTokens() const {
        return std::ranges::all_of(comparison().lanes, [](const ComparedLane& lane) {
            return !lane.free.turns.empty() && lane.free.turns.back().first_generated_position >= 0;
        });
    }
    bool isDone() const {
        if (latest()->state != WorkbenchState::kReady) return false;
        return std::ranges::all_of(comparison().lanes, [](const ComparedLane& lane) {
            return !lane.free.turns.empty() && lane.free.turns.back().stop_reason != StopReason::kNone;
        });
    }
    void runToTheEnd(const QString& prompt) {
        ASSERT_NO_FATAL_FAILURE(run(prompt));
        ASSERT_TRUE(test::waitFor([this] { return isDone(); }));
        ASSERT_FALSE(comparison().error.has_value()) << Error(*comparison().error).what();
    }
    /// Answers the next folder dialog with `folder`, as a person who types it in.
    static void answerFolderDialog(const QString& folder) {
        auto* timer = new QTimer(qApp);
        QObject::connect(timer, &QTimer::timeout, timer, [timer, folder] {
            auto* dialog = qobject_cast<QFileDialog*>(QApplication::activeModalWidget());
            if (dialog == nullptr) return;
            timer->deleteLater();
            auto* field = dialog->findChild<QLineEdit*>(u"fileNameEdit"_s);
            field->setText(folder);
            QTest::keyClick(field, Qt::Key_Return);
        });
        timer->start(20);
    }
    /// How many pixels of a token's cell have its lane's colour, in which the first divergence is framed.
    int framePixels(std::int32_t tag, std::int32_t token) const {
        LanesText& text = view().text();
        text.setFollow(false);
        auto& scroll = find<QScrollBar>(u"lanes_scroll"_s);
        scroll.setValue(0);
        const auto lane = static_cast<std::size_t>(tag);
        scroll.setValue(std::max(0, text.tokenRect(lane, token).toAlignedRect().bottom() - text.height() + 1));
        const QRect cell = text.tokenRect(lane, token).toAlignedRect();
        EXPECT_TRUE(text.rect().contains(cell)) << "it can be brought into sight";
        const QImage image = text.grab(cell).toImage();
        int count = 0;
        for (int y = 0; y < image.height(); ++y) {
            for (int x = 0; x < image.width(); ++x) count += image.pixelColor(x, y) == laneColour(tag) ? 1 : 0;
        }
        return count;
    }
    /// What the chat's views export when they are shown the lanes of a run: every lane of the load chart and every
    /// expert's tokens; shares of some experts of the last lane. By kind of table.
    std::map<std::string, std::string> chatViewsOf(const WorkbenchSnapshot& run) {
        std::map<std::string, std::string> tables;
        auto& chart = find<LoadChart>(u"loadChart"_s);
        auto& inspector = find<ExpertInspector>(u"expertInspector"_s);
        Selection& selection = window->selection();
        const auto add = [&](const std::string& kind, const QString& header, const QString& place,
                             const ExportableView& exported, qsizetype rows = -1) {
            QStringList lines = exported.csv().split(u'\n', Qt::SkipEmptyParts);
            std::string& table = tables[kind];
            if (table.empty()) table = (header + lines.front()).toStdString() + "\n";
            for (const QString& line : lines.mid(1, rows)) table += (place + line).toStdString() + "\n";
        };
        tables["dead"] = "lane,layer,remark\n";
        for (const ComparedLane& lane : run.comparison->lanes) {
            auto snapshot = std::make_shared<WorkbenchSnapshot>(run);
            snapshot->lanes = {lane.free};
            const QString number = QString::number(lane.free.lane) + u',';
            const bool is_last = &lane == &run.comparison->lanes.back();
            selection.setLane(lane.free.lane);
            chart.setSnapshot(snapshot);
            inspector.setSnapshot(snapshot);
            for (const LoadWindow part :
                 {LoadWindow::kAll, LoadWindow::kPrompt, LoadWindow::kThinking, LoadWindow::kAnswer}) {
                chart.setWindow(part);
                add("load", u"lane,"_s, number, chart);
            }
            chart.setWindow(LoadWindow::kAll);
            for (std::int32_t layer = 0; layer < lane.free.history.shape().moe_layers; ++layer) {
                selection.setLayer(layer);
                const QString named = QString::number(modelLayer(snapshot, layer));
                tables["dead"] += (number + named + u","_s).toStdString() +
                                  csvField(find<QLabel>(u"loadRemark5"_s).text()).toStdString() + "\n";
                for (std::int32_t expert = 0; expert < lane.free.history.shape().experts; ++expert) {
                    selection.setExpert(expert);
                    inspector.setPage(ExpertInspector::Page::kTokens);
                    add("tokens", u"lane,"_s, number, inspector);
                    if (!is_last || expert % 7 != 0) continue;
                    const QString place = number + u"%1,%2,"_s.arg(named).arg(expert);
                    const QString header = u"lane,layer,selected,"_s;
                    inspector.setPage(ExpertInspector::Page::kLoad);
                    add("rolling", header, place, inspector);
                    inspector.setPage(ExpertInspector::Page::kPairs);
                    add("pairs", header, place, inspector);
                    inspector.setPage(ExpertInspector::Page::kKinds);
                    add("kinds", header, place, inspector, kPhaseCount);
                }
            }
        }
        return tables;
    }
    static QList<QStringList> readCsv(const QString& path) {
        QFile file(path);
        if (!file.open(QIODevice::ReadOnly)) return {};
        return parseCsv(QString::fromUtf8(file.readAll()));
    }
};

/// What a session file holds of a lane, read row by row: independent of what the window computed.
struct RecordedLane {
    std::map<std::int32_t, TokenTrace> tokens;  // by position
    std::int64_t ran = 0;
    std::int64_t not_run = 0;
    std::int64_t generated_ran = 0;
    std::int64_t generated_rows = 0;
    std::vector<TokenId> generated() const {
        std::vector<TokenId> ids;
        for (const auto& [position, token] : tokens) {
            if (token.phase != Phase::kPrompt) ids.push_back(token.id);
        }
        return ids;
    }
};

std::map<LaneId, RecordedLane> recordedLanes(const SessionReader& session) {
    std::map<LaneId, RecordedLane> lanes;
    session.replay(
        [&](const StepTrace& trace) {
            RecordedLane& lane = lanes[trace.lane];
            lane.tokens[trace.token.position] = trace.token;
            if (trace.next.id >= 0) lane.tokens[trace.next.position] = trace.next;
            const bool generated = trace.token.phase != Phase::kPrompt;
            lane.generated_rows += generated ? 1 : 0;
            for (const std::int16_t id : trace.expert_ids) {
                lane.ran += id >= 0 ? 1 : 0;
                lane.generated_ran += id >= 0 && generated ? 1 : 0;
                lane.not_run += isNotRun(id) ? 1 : 0;
            }
        },
        [](const LaneEvent&) {});
    return lanes;
}

TEST_F(CompareWindow, FourLanesRunDivergeAndTheirCsvAgreesWithTheSessionFile) {
    ASSERT_NO_FATAL_FAILURE(enter());
    ASSERT_NO_FATAL_FAILURE(setLaneCount(4));
    ASSERT_NO_FATAL_FAILURE(setPolicies(kPolicies));
    ASSERT_NO_FATAL_FAILURE(runToTheEnd(u"What is 17 + 25?"_s));
    const SnapshotPointer shown = latest();
    ASSERT_TRUE(shown->comparison->forced_complete);

    // The markers: framed in the text, said in the header, the same as the file's tokens say.
    ASSERT_TRUE(workbench->flush());
    const std::filesystem::path file = shown->comparison_recorder.file;
    ASSERT_TRUE(std::filesystem::exists(file)) << file;
    const SessionReader session(file);
    const auto recorded = recordedLanes(session);
    std::map<std::int32_t, RecordedLane> by_tag;
    for (const LaneOrigin& origin : session.lanes()) {
        if (origin.role == LaneRole::kCompared) by_tag[origin.tag] = recorded.at(origin.lane);
    }
    ASSERT_EQ(by_tag.size(), 4U);
    const std::vector<TokenId> base = by_tag.at(0).generated();
    std::map<std::int32_t, std::int32_t> first_different;
    for (std::int32_t tag = 1; tag < 4; ++tag) {
        const std::vector<TokenId> ids = by_tag.at(tag).generated();
        const auto [at, other] = std::mismatch(base.begin(), base.end(), ids.begin(), ids.end());
        const bool same = at == base.end() && other == ids.end();
        first_different[tag] = same ? -1 : static_cast<std::int32_t>(at - base.begin());
        const QString verdict = view().header(static_cast<std::size_t>(tag)).verdict();
        if (same) {
            EXPECT_EQ(verdict, u"= A"_s);
            continue;
        }
        EXPECT_EQ(verdict, u"≠ A from token %1"_s.arg(first_different[tag]));
        EXPECT_EQ(shown->comparison->lanes[static_cast<std::size_t>(tag)].first_divergence, first_different[tag]);
    }
    ASSERT_GE(first_different.at(3), 0) << "random routing changed nothing: nothing is tested";
    EXPECT_EQ(view().header(0).verdict(), u"baseline"_s);
    for (std::int32_t tag = 1; tag < 4; ++tag) {
        const auto tokens = static_cast<std::int32_t>(by_tag.at(tag).generated().size());
        if (first_different[tag] < 0 || first_different[tag] >= tokens) continue;  // there is none to be framed
        EXPECT_GT(framePixels(tag, first_different[tag]), 20) << tag;
    }
    EXPECT_EQ(framePixels(3, first_different.at(3) + 2), 0) << "a later one is not the first";
    EXPECT_TRUE(view().header(1).notes().contains(u"routing depends on prompt pieces of 128 tokens"_s))
        << view().header(1).notes().toStdString();
    EXPECT_EQ(view().header(3).notes(), QString());

    // Exported through the bar and its dialog.
    const QString folder = QString::fromStdString((directory.path() / "csv").string());
    ASSERT_TRUE(QDir().mkpath(folder));
    answerFolderDialog(folder);
    QTest::mouseClick(&find<QToolButton>(u"comparison_csv"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([&] {
        return find<QLabel>(u"comparison_state"_s).text().contains(u"written"_s) &&
               QFile::exists(folder + u"/comparison.csv"_s);
    }));

    const QList<QStringList> texts = readCsv(folder + u"/texts.csv"_s);
    ASSERT_GT(texts.size(), 1);
    std::map<QString, std::vector<TokenId>> exported;
    for (const QStringList& row : texts.mid(1)) exported[row[0]].push_back(row[3].toInt());
    std::map<QString, bool> seen_difference;
    for (const auto& [tag, lane] : by_tag) {
        const QString letter(QChar(static_cast<char16_t>(u'A' + tag)));
        EXPECT_EQ(exported[letter], lane.generated()) << letter.toStdString();
    }
    for (const QStringList& row : texts.mid(1)) {
        const std::int32_t tag = row[0].at(0).unicode() - u'A';
        if (row[7] == u"1"_s && !std::exchange(seen_difference[row[0]], true)) {
            EXPECT_EQ(row[1].toInt(), first_different.at(tag)) << row[0].toStdString();
        }
    }

    const QList<QStringList> table = readCsv(folder + u"/comparison.csv"_s);
    ASSERT_EQ(table.size(), 5);
    const auto field = [&](std::int32_t tag, const QString& name) {
        return table[tag + 1][table.front().indexOf(name)];
    };
    const MetricTable& metrics = find<MetricsView>(u"metrics_view"_s).table();
    ASSERT_TRUE(metrics.forced);
    for (std::int32_t tag = 0; tag < 4; ++tag) {
        const RecordedLane& lane = by_tag.at(tag);
        const auto row = static_cast<std::size_t>(tag);
        if (tag > 0) {
            EXPECT_EQ(field(tag, u"first_divergence"_s).toInt(), first_different.at(tag));
        }
        EXPECT_EQ(field(tag, u"selections"_s).toLongLong(), lane.ran + lane.not_run) << tag;
        EXPECT_EQ(field(tag, u"dropped"_s).toLongLong() + field(tag, u"virtual"_s).toLongLong(), lane.not_run) << tag;
        const auto layer_rows = static_cast<double>(lane.generated_rows * shown->model->moe_layers.size());
        EXPECT_NEAR(field(tag, u"experts_per_layer"_s).toDouble(), static_cast<double>(lane.generated_ran) / layer_rows,
                    1e-5)
            << tag;
        // The table on screen shows the same numbers as the file's forced tokens give.
        const auto forced = session.forcedTokens(shown->comparison->lanes[row].forced_lane);
        ASSERT_FALSE(forced.empty());
        double nll = 0.0;
        double divergence = 0.0;
        for (const ForcedTokenMeasures& token : forced) {
            nll -= token.logprob / static_cast<double>(forced.size());
            divergence += token.divergence / static_cast<double>(forced.size());
        }
        EXPECT_NEAR(metrics.at(row, Metric::kNll).value, nll, 1e-6);
        EXPECT_NEAR(metrics.at(row, Metric::kDivergence).value, divergence, 1e-6);
        EXPECT_NEAR(field(tag, u"nll"_s).toDouble(), nll, 1e-4);
    }
    // Switch routing of one expert a token, and the model's own four.
    EXPECT_EQ(metrics.at(1, Metric::kExperts).text, u"1.00"_s);
    EXPECT_EQ(metrics.at(0, Metric::kExperts).text, u"4.00"_s);
    keepPicture(u"window-compare-light"_s);

    // And everything that is counted is what a program counts that shares nothing with this one.
    if (!test::canRecompute()) GTEST_SKIP() << "python3-numpy is not installed; app/setup.sh names it";
    exportCsv(file, directory / "read");
    std::vector<test::WrittenTable> tables = {
        {"comparison", directory / "csv" / "comparison.csv"},  {"forced", directory / "csv" / "forced.csv"},
        {"comparison", directory / "read" / "comparison.csv"}, {"forced", directory / "read" / "forced.csv"},
        {"balance", directory / "read" / "balance.csv"},       {"metrics", directory / "metrics.csv"}};
    ASSERT_EQ(saveCsv(find<MetricsView>(u"metrics_view"_s), QString::fromStdString(tables.back().file.string())),
              QString());
    for (const auto& [kind, text] : chatViewsOf(*shown)) {
        tables.push_back({kind, directory / (kind + ".csv")});
        std::ofstream(tables.back().file) << text;
    }
    const auto checked = test::recompute(file, tables, directory.path());
    EXPECT_EQ(checked.size(), 10U);
    for (const auto& [kind, cells] : checked) EXPECT_GT(cells, 16) << kind;
}

TEST_F(CompareWindow, AParameterDraggedWhileItsLaneRunsActsAtTheNextTokenAndIsRecorded) {
    ASSERT_NO_FATAL_FAILURE(enter());
    ASSERT_NO_FATAL_FAILURE(setPolicies({u"model"_s, u"top-k:k=3"_s}));
    // One token in a thousand seconds: the lanes wait until the drag is done.
    workbench->setDecodePace(0.001);
    ASSERT_NO_FATAL_FAILURE(run(u"What is 47 + 85? /think"_s));
    ASSERT_TRUE(test::waitFor([this] { return latest()->state == WorkbenchState::kComparing && hasTokens(); }));
    QTest::mouseClick(view().header(1).findChild<QToolButton*>(u"lane_edit"_s), Qt::LeftButton);
    auto& editor = find<LaneEditor>(u"lane_editor"_s);
    QTest::mouseClick(editor.lane(1).findChild<QToolButton*>(u"lane_policy_parameters"_s), Qt::LeftButton);
    auto& dialog = find<QDialog>(u"lane_policy_dialog"_s);
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&dialog));
    auto* slider = find<PolicyEditor>(u"lane_policy_editor"_s).part(0).findChild<QSlider*>(u"slider_k"_s);
    const auto asked = [this] { return comparison().lanes[1].settings.policy; };
    QTest::mousePress(slider, Qt::LeftButton, {}, test::sliderHandle(*slider, 2));
    for (const int step : {3, 1, 0}) QTest::mouseMove(slider, test::sliderHandle(*slider, step));
    ASSERT_TRUE(test::waitFor([&] { return asked() == "top-k:k=1"; })) << "before the button is released: " << asked();
    QTest::mouseRelease(slider, Qt::LeftButton, {}, test::sliderHandle(*slider, 0));
    EXPECT_EQ(editor.lane(1).policy().text(), u"top-k:k=1"_s);
    dialog.close();
    editor.close();
    workbench->setDecodePace(0);
    ASSERT_TRUE(test::waitFor([this] { return isDone(); }));
    ASSERT_FALSE(comparison().error.has_value()) << Error(*comparison().error).what();

    const SnapshotPointer shown = latest();
    const ComparedLane& lane = shown->comparison->lanes[1];
    const auto isChange = [](const LaneEvent& event) { return event.kind == LaneEventKind::kPolicyChanged; };
    ASSERT_GE(std::ranges::count_if(lane.free.events, isChange), 1);
    const LaneEvent change = *std::ranges::find_if(lane.free.events.rbegin(), lane.free.events.rend(), isChange);
    EXPECT_STREQ(static_cast<const char*>(change.text), "top-k:k=1");
    const History& history = lane.free.history;
    const auto active = [&](std::int32_t position) { return history.router(position, 0).active; };
    EXPECT_GE(change.position, lane.free.turns.back().first_generated_position);
    for (std::int32_t position = 0; position < change.position; ++position) EXPECT_EQ(active(position), 3) << position;
    ASSERT_GT(history.rowCount(), change.position + 1);
    for (std::int32_t position = change.position + 1; position < history.rowCount(); ++position)
        EXPECT_EQ(active(position), 1) << position;
    EXPECT_EQ(history.router(history.rowCount() - 1, 0).active, 1);

    ASSERT_TRUE(workbench->flush());
    int recorded = 0;
    SessionReader(shown->comparison_recorder.file)
        .replay([](const StepTrace&) {},
                [&](const LaneEvent& event) {
                    recorded += event.lane == lane.origin.lane && isChange(event) && event.step == change.step ? 1 : 0;
                });
    EXPECT_EQ(recorded, 1);
    exportCsv(shown->comparison_recorder.file, directory / "csv");
    QStringList policies;
    QString step;
    for (const QStringList& row : readCsv(QString::fromStdString((directory / "csv" / "settings.csv").string()))) {
        if (row[0] != QString::number(lane.origin.lane) || row[4] != u"policy"_s) continue;
        EXPECT_EQ(row[5], policies.isEmpty() ? QString() : policies.back());
        policies << row[6].trimmed();  // without the end of the line
        step = row[1];
    }
    ASSERT_GE(policies.size(), 2);
    EXPECT_EQ(policies.front(), u"top-k:k=3"_s);
    EXPECT_EQ(policies.back(), u"top-k:k=1"_s);
    EXPECT_EQ(step, QString::number(change.step));
}

TEST_F(CompareWindow, ATokenPointedAtOrClickedIsTheSameInAllLanes) {
    ASSERT_NO_FATAL_FAILURE(enter());
    ASSERT_NO_FATAL_FAILURE(runToTheEnd(u"What is 2 + 3?"_s));
    LanesText& text = view().text();
    QScrollBar& scroll = find<QScrollBar>(u"lanes_scroll"_s);
    scroll.setValue(0);
    const QPoint third = text.tokenRect(1, 3).center().toPoint();
    QTest::mouseMove(&text, third);
    EXPECT_EQ(window->comparison().selection().hover().token, 3);
    QTest::mouseClick(&text, Qt::LeftButton, {}, third);
    EXPECT_EQ(window->comparison().selection().token(), 3);
    EXPECT_TRUE(text.accessibleDescription().contains(u"Token 3"_s)) << text.accessibleDescription().toStdString();
    QTest::keyClick(&text, Qt::Key_Right);
    EXPECT_EQ(window->comparison().selection().token(), 4);
    QTest::keyClick(&text, Qt::Key_Down);
    EXPECT_EQ(window->comparison().selection().token(),
              std::min(4 + text.rows().tokensPerRow(), text.rows().tokenCount() - 1));
    QTest::keyClick(window.get(), Qt::Key_Escape);
    EXPECT_EQ(window->comparison().selection().token(), -1);
    EXPECT_EQ(window->selection().token(), -1) << "the chat's selection is its own";
}

TEST_F(CompareWindow, LanesAreAddedEditedAndRemovedWhileTheyRun) {
    ASSERT_NO_FATAL_FAILURE(enter());
    workbench->setDecodePace(5);
    ASSERT_NO_FATAL_FAILURE(run(u"What is 7 + 8?"_s));
    ASSERT_TRUE(test::waitFor([this] { return latest()->state == WorkbenchState::kComparing && hasTokens(); }));
    EXPECT_EQ(find<QPushButton>(u"run_all"_s).text(), u"Stop"_s);
    QTest::mouseClick(&find<QToolButton>(u"lane_add"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([this] { return lanes() == 3; }));
    // A policy that is none says so beside its field, and the lane keeps what it had.
    QTest::mouseClick(view().header(1).findChild<QToolButton*>(u"lane_edit"_s), Qt::LeftButton);
    auto& editor = find<LaneEditor>(u"lane_editor"_s);
    LaneForm& form = editor.lane(1);
    const std::string before = comparison().lanes[1].settings.policy;
    form.policy().selectAll();
    QTest::keyClicks(&form.policy(), u"top-k:k=999"_s);
    EXPECT_TRUE(form.policyError().contains(u"999"_s)) << form.policyError().toStdString();
    QTest::keyClick(&form.policy(), Qt::Key_Return);
    EXPECT_EQ(comparison().lanes[1].settings.policy, before);
    form.policy().selectAll();
    QTest::keyClicks(&form.policy(), u"top-k:k=2"_s);
    EXPECT_TRUE(form.policyError().isEmpty()) << form.policyError().toStdString();
    QTest::keyClick(&form.policy(), Qt::Key_Return);
    ASSERT_TRUE(test::waitFor([this] { return comparison().lanes[1].settings.policy == "top-k:k=2"; }));
    editor.close();
    ASSERT_NO_FATAL_FAILURE(activate());
    QTest::mouseClick(view().header(2).findChild<QToolButton*>(u"lane_remove"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([this] { return lanes() == 2; }));
    EXPECT_FALSE(view().header(1).findChild<QToolButton*>(u"lane_remove"_s)->isEnabled()) << "two lanes are the fewest";
    workbench->setDecodePace(0.001);  // no lane ends by itself
    QTest::keyClick(window.get(), Qt::Key_Escape);
    ASSERT_TRUE(test::waitFor([this] { return latest()->state == WorkbenchState::kReady; }));
    EXPECT_EQ(comparison().lanes[0].free.turns.back().stop_reason, StopReason::kStopped);
}

TEST_F(CompareWindow, NarrowWindowsScrollSidewaysBelowTheBaseline) {
    ASSERT_NO_FATAL_FAILURE(enter({1024, 640}));
    ASSERT_NO_FATAL_FAILURE(setLaneCount(4));
    QScrollBar& sideways = find<QScrollBar>(u"lanes_sideways"_s);
    ASSERT_TRUE(test::waitFor([&] { return sideways.isVisible() && sideways.maximum() > 0; }));
    const int base = view().header(0).x();
    const int second = view().header(1).x();
    EXPECT_GE(view().header(1).width(), kNarrowestLane);
    sideways.setValue(sideways.maximum());
    EXPECT_EQ(view().header(0).x(), base);
    EXPECT_LT(view().header(1).x(), second);
    EXPECT_LE(view().header(3).geometry().right(), view().width());
    EXPECT_TRUE(find<QPushButton>(u"run_all"_s).isVisible());
    EXPECT_LE(
        find<QPushButton>(u"run_all"_s).mapTo(window.get(), QPoint(find<QPushButton>(u"run_all"_s).width(), 0)).x(),
        window->width());
}

TEST_F(CompareWindow, TheSwitchKeepsEachWorkspacesPanels) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    auto& tabs = find<QTabBar>(u"workspaces"_s);
    EXPECT_EQ(tabs.count(), 3);
    EXPECT_TRUE(window->widgetOf(u"heatmap"_s)->isVisible());
    EXPECT_FALSE(view().isVisible());
    QTest::mouseClick(&tabs, Qt::LeftButton, {}, tabs.tabRect(1).center());
    EXPECT_EQ(window->workspace(), Workspace::kCompare);
    EXPECT_TRUE(view().isVisible());
    EXPECT_TRUE(find<MetricsView>(u"metrics_view"_s).isVisible());
    EXPECT_FALSE(window->widgetOf(u"heatmap"_s)->isVisible());
    EXPECT_EQ(QApplication::focusWidget(), &view().promptEdit());
    QTest::keyClick(window.get(), Qt::Key_1, Qt::ControlModifier);
    EXPECT_TRUE(window->widgetOf(u"heatmap"_s)->isVisible());
    EXPECT_FALSE(view().isVisible());
    EXPECT_EQ(tabs.currentIndex(), 0);
}

TEST_F(CompareWindow, TheChatsLastPromptIsOffered) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    EXPECT_FALSE(find<QPushButton>(u"use_last_prompt"_s).isEnabled());
    type(u"What is 2 + 3? /no_think"_s);
    QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
    ASSERT_TRUE(test::waitFor([this] {
        return latest()->state == WorkbenchState::kReady && !latest()->lanes.empty() &&
               !latest()->lanes.front().turns.empty() &&
               latest()->lanes.front().turns.back().stop_reason != StopReason::kNone;
    }));
    trigger(u"workspace_compare"_s);
    EXPECT_FALSE(find<QPushButton>(u"run_all"_s).isEnabled());
    QTest::mouseClick(&find<QPushButton>(u"use_last_prompt"_s), Qt::LeftButton);
    EXPECT_EQ(view().prompt(), u"What is 2 + 3? /no_think"_s);
    EXPECT_TRUE(test::waitFor([this] { return find<QPushButton>(u"run_all"_s).isEnabled(); }));
    view().setPrompt(u" "_s);
    EXPECT_FALSE(find<QPushButton>(u"run_all"_s).isEnabled()) << "there is nothing to run";
}

}  // namespace
}  // namespace mixoscope
