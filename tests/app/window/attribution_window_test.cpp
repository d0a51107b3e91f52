// Expert attribution as a person asks for it: a token is selected, its experts measured, and the panel's numbers are
// those of an attribution made by hand for the same token, and those in the session file.
#include <QAction>
#include <QApplication>
#include <QLabel>
#include <QTest>
#include <QToolButton>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "sessions/attribution.h"
#include "sessions/chat.h"
#include "sessions/session_file.h"
#include "views/attribution_view.h"
#include "views/composer.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class AttributionWindow : public test::WindowTest {
protected:
    void chat() {
        ASSERT_NO_FATAL_FAILURE(open("demo"));
        LaneSettings settings = workbench->settings();
        settings.sampling.greedy = true;
        workbench->setSettings(settings);
        find<MessageEdit>(u"message_edit"_s).setFocus();
        type(kQuestion);
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
        ASSERT_TRUE(test::waitFor([this] {
            return latest()->state == WorkbenchState::kReady && !latest()->lanes.empty() &&
                   !latest()->lanes.front().turns.empty() &&
                   latest()->lanes.front().turns.back().stop_reason != StopReason::kNone;
        }));
    }
    AttributionView& panel() const { return find<AttributionView>(u"attribution_view"_s); }
    /// The same turn and the same token in a chat of the test's own.
    static AttributionSnapshot byHand(std::int32_t position) {
        WorkbenchOptions options;
        options.demo_directory = test::demoModel();
        const auto loaded = loadModel("demo", options, [](std::string_view) {});
        LaneSettings settings;
        settings.mode = ThinkingMode::kThink;
        settings.sampling = loaded->sampling(ThinkingMode::kThink);
        settings.sampling.greedy = true;
        std::vector<LaneSnapshot> lanes;
        Chat chat(loaded, {.slots = 4, .publish = [&](std::vector<LaneSnapshot> shown) { lanes = std::move(shown); }},
                  settings);
        chat.startTurn(chat.plan({}, kQuestion.toStdString(), settings), false);
        while (chat.generation().step()) {
        }
        chat.catchUp();
        Attribution attribution(chat.generation(), *loaded, chat.lane(), position, lanes.front().history);
        while (attribution.step()) {
        }
        return attribution.result();
    }
    inline static const QString kQuestion = u"What is 47 + 85? /think"_s;
};

TEST_F(AttributionWindow, ThePanelsNumbersAreThoseOfTheSessionsAttribution) {
    ASSERT_NO_FATAL_FAILURE(chat());
    const std::int32_t at = turn().first_generated_position + 5;
    window->selection().setToken(at);
    ASSERT_TRUE(find<QToolButton>(u"inspector_action_measure_experts"_s).isEnabled());
    QTest::mouseClick(&find<QToolButton>(u"inspector_action_measure_experts"_s), Qt::LeftButton);
    ASSERT_TRUE(test::waitFor([this] {
        return latest()->state == WorkbenchState::kReady && latest()->attribution && latest()->attribution->complete();
    }));
    EXPECT_TRUE(panel().isVisible());
    const AttributionSnapshot expected = byHand(at);
    const QList<QStringList> rows = parseCsv(panel().map().csv());
    ASSERT_EQ(rows.size(), 1 + expected.total);
    qsizetype row = 0;
    for (std::size_t cell = 0; cell < expected.experts.size(); ++cell) {
        if (expected.experts[cell] < 0) continue;
        const QStringList& shown = rows[++row];
        EXPECT_EQ(shown[1].toInt(), at);
        EXPECT_EQ(shown[2].toInt(), expected.token);
        EXPECT_EQ(shown[4], csvNumber(expected.logprob));
        EXPECT_EQ(shown[7].toInt(), expected.experts[cell]);
        EXPECT_EQ(shown[8], csvNumber(expected.changes[cell])) << row;
    }
    EXPECT_TRUE(find<QLabel>(u"attribution_summary"_s).text().contains(u"Strongest"_s));
    keepPicture(u"window-attribution-light"_s);

    ASSERT_TRUE(workbench->flush());
    const std::vector<AttributionSnapshot> kept = SessionReader(latest()->recorder.file).attributions();
    ASSERT_EQ(kept.size(), 1U);
    EXPECT_EQ(kept[0].experts, expected.experts);
    ASSERT_EQ(kept[0].changes.size(), expected.changes.size());
    for (std::size_t cell = 0; cell < expected.changes.size(); ++cell) {
        if (!std::isnan(expected.changes[cell])) {
            EXPECT_EQ(kept[0].changes[cell], expected.changes[cell]) << cell;
        }
    }
}

TEST_F(AttributionWindow, APromptsTokenIsNotMeasuredAndSaysWhy) {
    ASSERT_NO_FATAL_FAILURE(chat());
    auto& action = find<QAction>(u"action_measure_experts"_s);
    EXPECT_TRUE(action.toolTip().startsWith(u"Select a token first"_s));
    window->selection().setToken(turn().first_generated_position - 1);
    EXPECT_FALSE(action.isEnabled());
    EXPECT_TRUE(action.toolTip().contains(u"prompt"_s));
    window->selection().setToken(turn().first_generated_position);
    EXPECT_TRUE(action.isEnabled());
    QTest::keyClick(window.get(), Qt::Key_K, Qt::ControlModifier | Qt::ShiftModifier);
    EXPECT_TRUE(test::waitFor([this] { return latest()->attribution && latest()->attribution->complete(); }));
}

}  // namespace
}  // namespace mixoscope
