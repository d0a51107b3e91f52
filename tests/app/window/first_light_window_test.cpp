// The whole way a person goes: open, ask, drag the budget while the model thinks, read the answer, find the session.
#include <QApplication>
#include <QPushButton>
#include <QTest>
#include <algorithm>
#include <map>
#include <numeric>

#include "sessions/session_file.h"
#include "views/budget_control.h"
#include "views/chat_view.h"
#include "views/composer.h"
#include "views/exportable_view.h"
#include "views/heatmap_view.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class FirstLightWindow : public test::WindowTest {
protected:
    void beginAnew() {
        trigger(u"new_conversation"_s);
        ASSERT_TRUE(test::waitFor([this] { return latest()->lanes.empty() || latest()->lanes.front().turns.empty(); }));
    }
    void sendAndWaitForTheBlock() {
        QTest::keyClick(QApplication::focusWidget(), Qt::Key_Return);
        ASSERT_TRUE(test::waitFor([this] {
            return !latest()->lanes.empty() && !latest()->lanes.front().turns.empty() && turn().block_opened;
        }));
    }
};

/// What a session file says about its tokens, by position.
std::map<std::int32_t, TokenTrace> recordedTokens(const SessionReader& session) {
    std::map<std::int32_t, TokenTrace> tokens;
    session.replay(
        [&](const StepTrace& trace) {
            tokens[trace.token.position] = trace.token;
            if (trace.next.id >= 0) tokens[trace.next.position] = trace.next;
        },
        [](const LaneEvent&) {});
    return tokens;
}

TEST_F(FirstLightWindow, ABudgetDraggedWhileTheModelThinksClosesTheBlock) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    ASSERT_FALSE(latest()->load_error.has_value()) << Error(*latest()->load_error).what();
    // One token in a thousand seconds: the model waits inside its block until the drag is done.
    workbench->setDecodePace(0.001);

    type(u"What is 2 + 3? /think"_s);
    ASSERT_NO_FATAL_FAILURE(sendAndWaitForTheBlock());
    auto& chat = find<ChatView>(u"chat_view"_s);
    EXPECT_EQ(chat.turn(0).block().title(), u"Thinking…"_s);
    auto& answer_now = find<QPushButton>(u"answer_now"_s);
    EXPECT_TRUE(answer_now.isEnabled());
    ASSERT_LT(turn().thinking_tokens, 4);
    keepPicture(u"window-thinking-light"_s);

    auto& slider = find<BudgetSlider>(u"budget_slider"_s);
    QTest::mousePress(&slider, Qt::LeftButton, Qt::NoModifier, slider.handleCentre(kUnlimitedBudget));
    for (const std::int32_t budget : {8192, 256, 32, 4}) QTest::mouseMove(&slider, slider.handleCentre(budget));
    QTest::mouseRelease(&slider, Qt::LeftButton, Qt::NoModifier, slider.handleCentre(4));
    EXPECT_EQ(find<BudgetField>(u"budget_field"_s).budget(), 4);
    workbench->setDecodePace(0);
    ASSERT_TRUE(test::waitFor([this] { return latest()->state == WorkbenchState::kReady; }));
    ASSERT_FALSE(latest()->turn_error.has_value()) << Error(*latest()->turn_error).what();

    // The block closed at N = 4 and says so; the injected stop is marked; an answer follows.
    EXPECT_EQ(turn().thinking_tokens, 4);
    EXPECT_TRUE(turn().closed_by_budget);
    EXPECT_FALSE(answer_now.isEnabled());
    EXPECT_EQ(chat.turn(0).block().title(), u"Thought"_s);
    EXPECT_EQ(chat.turn(0).block().counter(), u"4 / 4"_s);
    EXPECT_TRUE(chat.turn(0).notes().join(u'|').contains(u"Closed by the budget at N = 4"_s))
        << chat.turn(0).notes().join(u'|').toStdString();
    std::int32_t injected = 0;
    for (const TextToken& token : chat.turn(0).thinkingTokens())
        injected += (token.flags & token_flag::kInjected) != 0 ? 1 : 0;
    EXPECT_GT(injected, 0);
    // It is marked on screen too: hatched in the colour of thinking, which no text of the model's own is.
    const auto hatched = [&](const TextToken& token) {
        const QRect place = chat.tokenRect(token.position);
        const QImage image = renderWidget(chat, 1.0).copy(place);
        int coloured = 0;
        for (int y = 0; y < image.height(); ++y) {
            for (int x = 0; x < image.width(); ++x) coloured += image.pixelColor(x, y).saturation() > 8 ? 1 : 0;
        }
        return image.isNull() ? -1.0 : static_cast<double>(coloured) / (image.width() * image.height());
    };
    const auto tokens = chat.turn(0).thinkingTokens();
    const auto longest = [&](bool of_injected) {
        const auto length = [&](const TextToken& token) {
            return ((token.flags & token_flag::kInjected) != 0) == of_injected ? token.end - token.start : -1;
        };
        return *std::ranges::max_element(tokens, {}, length);
    };
    EXPECT_GT(hatched(longest(true)), 0.6);
    const double plain = hatched(longest(false));
    EXPECT_GE(plain, 0.0) << "a token of the model's own is in sight";
    EXPECT_LT(plain, 0.4);
    EXPECT_FALSE(chat.turn(0).answerText().trimmed().isEmpty());

    // The heatmap has a column for every row, and every generated token but the one that ends the turn is a row.
    const SnapshotPointer kept = latest();  // the window goes on to newer ones
    const LaneSnapshot& lane = kept->lanes.front();
    const HeatmapData columns = find<HeatmapView>(u"heatmapView"_s).canvas().visibleData();
    ASSERT_EQ(columns.tokens_per_column, 1);
    EXPECT_EQ(columns.first_column, 0);
    EXPECT_EQ(columns.columns, lane.history.rowCount());
    for (std::int32_t position = turn().first_generated_position; position < lane.history.rowCount(); ++position) {
        const auto weights = columns.column(position);
        EXPECT_NEAR(std::accumulate(weights.begin(), weights.end(), 0.0), 1.0, 1e-3) << position;
    }
    EXPECT_GE(lane.history.rowCount(), lane.history.tokenCount() - 1);
    keepPicture(u"window-answered-light"_s);

    // The session on disk holds exactly what was shown.
    ASSERT_TRUE(workbench->flush());
    const std::filesystem::path file = latest()->recorder.file;
    ASSERT_TRUE(std::filesystem::exists(file)) << file;
    const SessionReader session(file);
    EXPECT_EQ(session.rowCount(), lane.history.rowCount());
    const auto recorded = recordedTokens(session);
    ASSERT_EQ(static_cast<std::int32_t>(recorded.size()), lane.history.tokenCount());
    std::string thinking;
    std::string answer;
    for (const auto& [position, token] : recorded) {
        const TokenTrace& shown = lane.history.token(position).trace;
        EXPECT_EQ(token.id, shown.id) << position;
        EXPECT_EQ(token.phase, shown.phase) << position;
        EXPECT_EQ(token.flags, shown.flags) << position;
        if (token.phase == Phase::kPrompt || (token.flags & (token_flag::kTag | token_flag::kEndOfTurn)) != 0) continue;
        (token.phase == Phase::kThinking ? thinking : answer) += session.tokenBytes(token.id);
    }
    EXPECT_EQ(QString::fromStdString(thinking), chat.turn(0).thinkingText());
    EXPECT_EQ(QString::fromStdString(answer), chat.turn(0).answerText());
    std::vector<std::string> messages;
    session.messages([&](int, int role, const std::string& text, int) {
        if (static_cast<Role>(role) == Role::kUser) messages.push_back(text);
    });
    EXPECT_EQ(messages, std::vector<std::string>{"What is 2 + 3? /think"});
}

TEST_F(FirstLightWindow, AnswerNowClosesTheBlockByKeyAndByButton) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    for (const bool by_key : {true, false}) {
        workbench->setDecodePace(0.001);
        find<Composer>(u"composer"_s).setFocus();
        type(u"What is 7 + 8? /think"_s);
        ASSERT_NO_FATAL_FAILURE(sendAndWaitForTheBlock());
        if (by_key) {
            QTest::keyClick(window.get(), Qt::Key_Period, Qt::ControlModifier);
        } else {
            QTest::mouseClick(&find<QPushButton>(u"answer_now"_s), Qt::LeftButton);
        }
        workbench->setDecodePace(0);
        ASSERT_TRUE(test::waitFor([this] { return latest()->state == WorkbenchState::kReady; }));
        EXPECT_TRUE(turn().closed_by_hand) << (by_key ? "by key" : "by button");
        const ChatView& chat = find<ChatView>(u"chat_view"_s);
        const ChatTurn& shown = chat.turn(chat.turnCount() - 1);
        EXPECT_TRUE(shown.notes().join(u'|').contains(u"Closed by Answer now"_s));
        ASSERT_NO_FATAL_FAILURE(beginAnew());
    }
}

TEST_F(FirstLightWindow, EscAndTheStopButtonStopAndWhatIsThereStays) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    auto& button = find<Composer>(u"composer"_s).button();
    for (const bool by_key : {true, false}) {
        workbench->setDecodePace(0.001);
        find<Composer>(u"composer"_s).setFocus();
        type(u"What is 7 + 8? /think"_s);
        ASSERT_NO_FATAL_FAILURE(sendAndWaitForTheBlock());
        EXPECT_EQ(button.text(), u"Stop"_s);
        if (by_key) {
            QTest::keyClick(window.get(), Qt::Key_Escape);
        } else {
            QTest::mouseClick(&button, Qt::LeftButton);
        }
        ASSERT_TRUE(test::waitFor([this] { return latest()->state == WorkbenchState::kReady; }));
        EXPECT_EQ(turn().stop_reason, StopReason::kStopped);
        EXPECT_TRUE(find<ChatView>(u"chat_view"_s).turn(0).notes().join(u'|').contains(u"Stopped by you"_s));
        EXPECT_EQ(button.text(), u"Send"_s);
        ASSERT_NO_FATAL_FAILURE(beginAnew());
    }
}

}  // namespace
}  // namespace mixoscope
