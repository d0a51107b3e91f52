#include "views/status_line.h"

#include <gtest/gtest.h>

#include <QSignalSpy>
#include <QTest>

#include "chat_script_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::HandFedBridge;

class StatusLineTest : public testing::Test {
protected:
    StatusLineTest() : line(feed.bridge()) {
        line.resize(1500, 25);
        line.show();
        now.state = WorkbenchState::kReady;
        auto model = std::make_shared<ModelFacts>();
        model->context_tokens = 1024;
        now.model = model;
        now.context_used = 112;
        now.probes_cost = 0.004;
        now.lanes.resize(1);
        TurnFacts turn;
        turn.ttft_ms = 38.0;
        turn.tpot_ms = 2.7;
        turn.tokens_per_s = 370.4;
        now.lanes[0].turns.push_back(turn);
    }
    void show() {
        now.serial = ++m_serial;
        feed.show(std::make_shared<WorkbenchSnapshot>(now));
    }
    StatusPart& part(const QString& name) { return *line.findChild<StatusPart*>(u"status_"_s + name); }
    CheckResult check(bool holds) {
        CheckResult result{};
        result.kind = CheckKind::kSelections;
        result.ran = true;
        result.holds = holds;
        result.violation = holds ? "" : "8 of 3,872 selections missing: layer 2, position 12";
        return result;
    }
    HandFedBridge feed;
    StatusLine line;
    WorkbenchSnapshot now;

private:
    std::uint64_t m_serial = 0;
};

TEST_F(StatusLineTest, SaysSpeedProbesAndContextWithTheirUnits) {
    show();
    EXPECT_EQ(part(u"state"_s).text(), u"Ready"_s);
    EXPECT_EQ(part(u"ttft"_s).text(), u"TTFT 38.0 ms"_s);
    EXPECT_EQ(part(u"tpot"_s).text(), u"TPOT 2.70 ms"_s);
    EXPECT_EQ(part(u"rate"_s).text(), u"370 tok/s"_s);
    EXPECT_EQ(part(u"probes"_s).text(), u"Probes cost 0.4 %"_s);
    EXPECT_EQ(part(u"context"_s).text(), u"Context 112 / 1,024"_s);
    now.probes_cost = -1.0;
    now.lanes[0].turns[0] = {};
    show();
    EXPECT_TRUE(part(u"probes"_s).text().isEmpty()) << "what was not measured is not shown";
    EXPECT_TRUE(part(u"rate"_s).text().isEmpty());
}

TEST_F(StatusLineTest, NamesThePhaseWhileTheModelGenerates) {
    now.state = WorkbenchState::kGenerating;
    for (const auto& [state, text] :
         {std::pair(LaneState::kPrefill, u"Reading the prompt"_s), std::pair(LaneState::kThinking, u"● Thinking"_s),
          std::pair(LaneState::kAnswering, u"● Answering"_s)}) {
        now.lanes[0].state = state;
        show();
        EXPECT_EQ(part(u"state"_s).text(), text);
    }
}

TEST_F(StatusLineTest, ABrokenCheckAndAFailedRecorderAreToldInRed) {
    now.lanes[0].checks = {check(true), check(true)};
    show();
    EXPECT_EQ(part(u"checks"_s).text(), u"✓ 2 of 2 checks hold"_s);
    EXPECT_EQ(part(u"checks"_s).property("role").toString(), u"chip-good"_s);
    now.lanes[0].checks[1] = check(false);
    now.recorder.state = RecorderStatus::State::kFailed;
    now.recorder.error = ErrorParts{.what = "The disk is full", .where = "/tmp/pens.mixo"};
    show();
    EXPECT_TRUE(part(u"checks"_s).text().contains(u"8 of 3,872 selections missing"_s));
    EXPECT_EQ(part(u"checks"_s).property("role").toString(), u"chip-error"_s);
    EXPECT_TRUE(part(u"recorder"_s).text().contains(u"The disk is full"_s));
    EXPECT_EQ(part(u"recorder"_s).property("role").toString(), u"chip-error"_s);
    EXPECT_TRUE(part(u"recorder"_s).toolTip().contains(u"/tmp/pens.mixo"_s));
}

TEST_F(StatusLineTest, SaysWhatIsRecordedAndHowMuchWasLost) {
    now.recorder.state = RecorderStatus::State::kRecording;
    now.recorder.file = "/tmp/pens.mixo";
    now.recorder.bytes = 318'000;
    now.recorder.commit_age_s = 0.1;
    now.recorder.lost = 3;
    show();
    EXPECT_EQ(part(u"recorder"_s).text(), u"● Recording pens.mixo · saved 0.1 s ago · 318 KB · 3 records lost"_s);
    now.recorder = {};
    show();
    EXPECT_EQ(part(u"recorder"_s).text(), u"Not recording"_s);
}

TEST_F(StatusLineTest, DropsFromTheContextOnAndKeepsChecksAndRecorder) {
    now.lanes[0].checks = {check(true)};
    show();
    for (const auto& name : {u"ttft"_s, u"context"_s, u"checks"_s, u"recorder"_s}) EXPECT_TRUE(part(name).isVisible());
    line.resize(480, 25);
    EXPECT_FALSE(part(u"context"_s).isVisible());
    EXPECT_TRUE(part(u"state"_s).isVisible());
    EXPECT_TRUE(part(u"checks"_s).isVisible());
    EXPECT_TRUE(part(u"recorder"_s).isVisible());
    line.resize(1500, 25);
    EXPECT_TRUE(part(u"context"_s).isVisible());
}

TEST_F(StatusLineTest, AClickAsksForThePanelThatTellsMore) {
    now.lanes[0].checks = {check(true)};
    show();
    QSignalSpy asked(&line, &StatusLine::panelAsked);
    QTest::mouseClick(&part(u"checks"_s), Qt::LeftButton);
    QTest::mouseClick(&part(u"recorder"_s), Qt::LeftButton);
    ASSERT_EQ(asked.count(), 2);
    EXPECT_EQ(asked[0][0].toString(), u"checks"_s);
    EXPECT_EQ(asked[1][0].toString(), u"sessions"_s);
}

TEST_F(StatusLineTest, AMessageStandsInPlaceOfTheState) {
    show();
    line.showMessage(u"Saved /tmp/window.png"_s, false);
    EXPECT_EQ(part(u"state"_s).text(), u"Saved /tmp/window.png"_s);
    line.showMessage({}, false);
    EXPECT_EQ(part(u"state"_s).text(), u"Ready"_s);
    now.turn_error = ErrorParts{.what = "The prompt is longer than the context"};
    show();
    EXPECT_EQ(part(u"state"_s).text(), u"⚠ The prompt is longer than the context"_s);
}

}  // namespace
}  // namespace mixoscope
