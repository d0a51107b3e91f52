#include "views/chat_view.h"

#include <gtest/gtest.h>

#include <QApplication>
#include <QClipboard>
#include <QElapsedTimer>
#include <QPushButton>
#include <QScrollBar>
#include <QTest>

#include "chat_script_test.h"
#include "sample_snapshot_test.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::ChatScript;
using test::HandFedBridge;
using test::piecesOf;

struct Shown {
    explicit Shown(QSize size = {460, 620}) : view(feed.bridge(), selection) {
        view.resize(size);
        view.show();
        EXPECT_TRUE(QTest::qWaitForWindowExposed(&view));
    }
    void show(ChatScript& script) { feed.show(script.snapshot()); }
    HandFedBridge feed;
    Selection selection;
    ChatView view;
};

void keepPicture(QWidget& widget, const QString& name) {
    test::keepPicture(renderWidget(widget, 2.0), name);
}

const std::string kThought =
    "\nOkay, let x be the number of packs of 6.\n\n  6x + 10y = 92,\tso x = 7 – naïve, 对, 👩‍🚀.\n";

ChatScript writtenTurn() {
    ChatScript script;
    script.settings.budget = 64;
    script.settings.sampling.seed = 7;
    script.ask("A shop sells pens in packs of 6 and packs of 10.\nHow many packs?", 48);
    script.openBlock();
    script.think(piecesOf(kThought, 3));
    script.facts().thinking_ms = 512.0;
    script.closeBlock();
    script.answer(piecesOf("\n\nShe bought 7 packs of 6.", 5));
    script.end();
    return script;
}

TEST(ChatView, ShowsTheTextsExactlyAsTheTokensSpellThem) {
    Shown shown;
    ChatScript script = writtenTurn();
    shown.show(script);
    ASSERT_EQ(shown.view.turnCount(), 1);
    EXPECT_EQ(shown.view.turn(0).thinkingText(), QString::fromStdString(kThought));
    EXPECT_EQ(shown.view.turn(0).answerText(), u"\n\nShe bought 7 packs of 6."_s);
    EXPECT_EQ(shown.view.turn(0).userText(), u"A shop sells pens in packs of 6 and packs of 10.\nHow many packs?"_s);
    EXPECT_EQ(shown.view.turn(0).block().title(), u"Thought"_s);
    EXPECT_EQ(shown.view.turn(0).block().counter(), u"%1 / 64"_s.arg(script.facts().thinking_tokens));
}

TEST(ChatView, StreamsWithoutLosingATokenAndFollowsItsEnd) {
    Shown shown({420, 300});
    ChatScript script;
    script.ask("Count", 4);
    script.openBlock();
    QString expected;
    for (int frame = 0; frame < 60; ++frame) {
        const std::string text = "line " + std::to_string(frame) + "\n";
        script.think(piecesOf(text, 2));
        expected += QString::fromStdString(text);
        shown.show(script);
        ASSERT_EQ(shown.view.turn(0).thinkingText(), expected);
    }
    EXPECT_TRUE(shown.view.followsNewest());
    EXPECT_GT(shown.view.verticalScrollBar()->maximum(), 0);
    EXPECT_EQ(shown.view.verticalScrollBar()->value(), shown.view.verticalScrollBar()->maximum());
    EXPECT_EQ(shown.view.turn(0).block().title(), u"Thinking…"_s);
}

TEST(ChatView, StopsFollowingWhenScrolledUpAndOffersTheNewest) {
    Shown shown({420, 300});
    ChatScript script;
    script.ask("Count", 4);
    script.openBlock();
    script.think(piecesOf(std::string(4000, 'a'), 4));
    script.think({"\n"});
    shown.show(script);
    auto* newest = shown.view.findChild<QPushButton*>(u"chat_newest"_s);
    ASSERT_FALSE(newest->isVisible());
    shown.view.setFocus();
    QTest::keyClick(&shown.view, Qt::Key_PageUp);
    EXPECT_FALSE(shown.view.followsNewest());
    EXPECT_TRUE(newest->isVisible());
    const int place = shown.view.verticalScrollBar()->value();
    script.think(piecesOf(std::string(2000, 'b'), 4));
    shown.show(script);
    EXPECT_EQ(shown.view.verticalScrollBar()->value(), place);
    QTest::mouseClick(newest, Qt::LeftButton);
    EXPECT_TRUE(shown.view.followsNewest());
    EXPECT_EQ(shown.view.verticalScrollBar()->value(), shown.view.verticalScrollBar()->maximum());
    EXPECT_FALSE(newest->isVisible());
}

TEST(ChatView, AClickSelectsTheTokenUnderIt) {
    Shown shown;
    ChatScript script = writtenTurn();
    shown.show(script);
    const auto tokens = shown.view.turn(0).thinkingTokens();
    const std::int32_t position = tokens[4].position;
    const QRect place = shown.view.tokenRect(position);
    ASSERT_FALSE(place.isEmpty());
    QTest::mouseClick(shown.view.viewport(), Qt::LeftButton, Qt::NoModifier, place.center());
    EXPECT_EQ(shown.selection.token(), position);
    // Shift+click extends to another token.
    const std::int32_t other = tokens[8].position;
    QTest::mouseClick(shown.view.viewport(), Qt::LeftButton, Qt::ShiftModifier, shown.view.tokenRect(other).center());
    EXPECT_EQ(shown.selection.range(), (TokenRange{position, other + 1}));
    QTest::keyClick(&shown.view, Qt::Key_C, Qt::ControlModifier);
    QString expected;
    for (std::size_t i = 4; i <= 8; ++i) {
        expected += shown.view.turn(0).thinkingText().mid(tokens[i].start, tokens[i].end - tokens[i].start);
    }
    EXPECT_EQ(QApplication::clipboard()->text(), expected);
    EXPECT_FALSE(expected.isEmpty());
}

TEST(ChatView, MarksATokenThatWasSelectedElsewhere) {
    Shown shown;
    ChatScript script = writtenTurn();
    shown.show(script);
    const QImage before = renderWidget(shown.view, 1.0);
    const std::int32_t position = shown.view.turn(0).answerTokens()[2].position;
    shown.selection.setToken(position);
    const QImage after = renderWidget(shown.view, 1.0);
    const QRect place = shown.view.tokenRect(position);
    ASSERT_FALSE(place.isEmpty());
    EXPECT_NE(before.copy(place), after.copy(place));
    EXPECT_EQ(before.copy(0, 0, 460, 100), after.copy(0, 0, 460, 100));
}

TEST(ChatView, ScrollsToATokenThatWasSelectedElsewhere) {
    Shown shown({420, 300});
    ChatScript script;
    script.ask("Count", 4);
    script.openBlock();
    for (int line = 0; line < 300; ++line) script.think({"line " + std::to_string(line) + "\n"});
    shown.show(script);
    const std::int32_t position = shown.view.turn(0).thinkingTokens()[20].position;
    shown.selection.setToken(position);
    EXPECT_TRUE(shown.view.viewport()->rect().contains(shown.view.tokenRect(position).center()));
    EXPECT_FALSE(shown.view.followsNewest());
}

TEST(ChatView, TheBlockCollapsesByClickAndByKey) {
    Shown shown;
    ChatScript script = writtenTurn();
    shown.show(script);
    const std::int32_t position = shown.view.turn(0).thinkingTokens()[3].position;
    ASSERT_FALSE(shown.view.tokenRect(position).isEmpty());
    QTest::mouseClick(shown.view.viewport(), Qt::LeftButton, Qt::NoModifier, shown.view.thinkHeadRect(0).center());
    EXPECT_TRUE(shown.view.turn(0).isCollapsed());
    EXPECT_TRUE(shown.view.tokenRect(position).isEmpty());
    EXPECT_FALSE(shown.view.thinkHeadRect(0).isEmpty());
    EXPECT_FALSE(shown.view.tokenRect(shown.view.turn(0).answerTokens()[2].position).isEmpty());
    // Streaming into a collapsed block keeps it collapsed.
    shown.show(script);
    EXPECT_TRUE(shown.view.turn(0).isCollapsed());
    shown.view.toggleThinkBlock();
    EXPECT_FALSE(shown.view.turn(0).isCollapsed());
}

TEST(ChatView, ARecordingDoesNotNameAButtonThatClosesTheBlock) {
    Shown shown;
    ChatScript script;
    script.settings.budget = kUnlimitedBudget;
    script.ask("What is 2 + 3? /think", 20);
    script.openBlock();
    script.think({"2", "+", "3"});
    shown.show(script);
    EXPECT_TRUE(shown.view.turn(0).waiting().contains(u"Answer now"_s)) << shown.view.turn(0).waiting().toStdString();
    auto recorded = std::make_shared<WorkbenchSnapshot>(*script.snapshot());
    recorded->recorded = true;
    shown.feed.show(recorded);
    EXPECT_EQ(shown.view.turn(0).waiting(), u"The answer starts when the block closes."_s);
}

TEST(ChatView, SaysHowABlockWasClosedAndMarksInjectedText) {
    Shown shown;
    ChatScript script;
    script.settings.budget = 4;
    script.ask("What is 2 + 3? /think", 20);
    script.openBlock();
    script.think({"\n", "2", "+", "3"});
    script.inject({"\n\n", "Considering", " the", " limited", " time"});
    shown.show(script);
    const auto injected = shown.view.turn(0).thinkingTokens()[6];
    EXPECT_NE(injected.flags & token_flag::kInjected, 0);
    const QImage image = renderWidget(shown.view, 2.0);
    const QRect place = shown.view.tokenRect(injected.position);
    const QRect plain = shown.view.tokenRect(shown.view.turn(0).thinkingTokens()[1].position);
    const auto inkOf = [&](QRect rect) {
        // Pixels that are neither the panel's colour nor the text's.
        int count = 0;
        for (int y = rect.top() * 2; y < rect.bottom() * 2; ++y) {
            for (int x = rect.left() * 2; x < rect.right() * 2; ++x) {
                const QColor colour = image.pixelColor(x, y);
                count += colour.saturation() > 8 && colour != colours().base ? 1 : 0;
            }
        }
        return static_cast<double>(count) / (rect.width() * rect.height() * 4);
    };
    EXPECT_GT(inkOf(place), 0.6);
    EXPECT_LT(inkOf(plain), 0.4);
    script.closeBlock();
    script.answer({"5"});
    script.end();
    shown.show(script);
    EXPECT_EQ(shown.view.turn(0).block().counter(), u"4 / 4"_s);
    ASSERT_EQ(shown.view.turn(0).notes().size(), 1);
    EXPECT_TRUE(shown.view.turn(0).notes()[0].contains(u"Closed by the budget at N = 4"_s));
    EXPECT_TRUE(shown.view.turn(0).notes()[0].contains(u"5 tokens"_s));
    int injected_rows = 0;
    for (const QStringList& row : parseCsv(shown.view.csv())) injected_rows += row[3] == u"1"_s ? 1 : 0;
    EXPECT_EQ(injected_rows, 5);
    script.facts().closed_by_budget = false;
    script.facts().closed_by_hand = true;
    shown.show(script);
    EXPECT_TRUE(shown.view.turn(0).notes().join(u'|').contains(u"Closed by Answer now at N = 4"_s));
    keepPicture(shown.view, u"chat-injected-light"_s);
}

TEST(ChatView, WarnsOfLeaksAndBlocksThatWereNeverClosed) {
    Shown shown;
    ChatScript script;
    script.ask("Hello", 3, ThinkingMode::kNoThink);
    script.answer({"Hi", " ", "<think>"}, token_flag::kStray);
    script.facts().stray_tags = 1;
    script.end();
    shown.show(script);
    ASSERT_EQ(shown.view.turn(0).notes().size(), 1);
    EXPECT_TRUE(shown.view.turn(0).notes()[0].startsWith(u"Leak"_s));
    EXPECT_TRUE(shown.view.turn(0).answerText().endsWith(u"<think>"_s));

    script.ask("And now think", 8);
    script.openBlock();
    script.think({"hm"});
    script.end(StopReason::kMaxTokens);
    shown.show(script);
    ASSERT_EQ(shown.view.turnCount(), 2);
    EXPECT_EQ(shown.view.turn(1).block().title(), u"Thought, never closed"_s);
    EXPECT_TRUE(shown.view.turn(1).notes().join(u'|').contains(u"never closed"_s));
    EXPECT_TRUE(shown.view.turn(1).notes().join(u'|').contains(u"token limit"_s));
}

TEST(ChatView, KeepsEarlierTurnsWhoseThinkingLeftTheSequence) {
    Shown shown;
    ChatScript script = writtenTurn();
    shown.show(script);
    script.ask("And with packs of 12?", 70);
    script.openBlock();
    script.think({"Again", " from", " the", " start"});
    shown.show(script);
    ASSERT_EQ(shown.view.turnCount(), 2);
    EXPECT_EQ(shown.view.turn(0).thinkingText(), QString::fromStdString(kThought));
    EXPECT_EQ(shown.view.turn(1).thinkingText(), u"Again from the start"_s);
    EXPECT_FALSE(shown.view.turn(0).isCurrent());
}

TEST(ChatView, ANewConversationEmptiesIt) {
    Shown shown;
    ChatScript script = writtenTurn();
    shown.show(script);
    ChatScript other;
    other.ask("Something else", 5);
    other.answer({"Yes"});
    other.end();
    (void)other.snapshot();
    shown.show(other);
    ASSERT_EQ(shown.view.turnCount(), 1);
    EXPECT_EQ(shown.view.turn(0).userText(), u"Something else"_s);
    EXPECT_EQ(shown.view.turn(0).answerText(), u"Yes"_s);
    EXPECT_TRUE(shown.view.turn(0).thinkingText().isEmpty());
}

TEST(ChatView, HoldsAHundredThousandTokensAndShowsTheirEnd) {
    Shown shown;
    ChatScript script;
    script.ask("Think long", 10);
    script.openBlock();
    std::vector<std::string> tokens;
    for (int i = 0; i < 100'000; ++i)
        tokens.push_back(i % 40 == 39 ? ".\n" : std::string(i % 3 == 0 ? " ill" : " till"));
    script.think(tokens);
    shown.show(script);
    EXPECT_EQ(shown.view.turn(0).thinkingTokens().size(), 100'000U);
    const std::int32_t last = script.nextPosition() - 2;
    EXPECT_TRUE(shown.view.viewport()->rect().contains(shown.view.tokenRect(last).center()));
    // Measuring the rest in slices does not move what is shown.
    QElapsedTimer limit;
    limit.start();
    const int height = shown.view.verticalScrollBar()->maximum();
    while (limit.elapsed() < 300) QApplication::processEvents();
    EXPECT_NE(shown.view.verticalScrollBar()->maximum(), height) << "estimates are expected to be corrected";
    EXPECT_TRUE(shown.view.viewport()->rect().contains(shown.view.tokenRect(last).center()));
}

TEST(ChatView, CsvListsEveryTokenWithItsText) {
    Shown shown;
    ChatScript script = writtenTurn();
    shown.show(script);
    const QString csv = shown.view.csv();
    EXPECT_TRUE(csv.startsWith(u"turn,part,position,injected,text\n"_s));
    const auto position = QString::number(shown.view.turn(0).answerTokens()[1].position);
    EXPECT_TRUE(csv.contains(u"0,answer,%1,0,"_s.arg(position))) << csv.toStdString();
}

TEST(ChatView, BothThemesCanBeLookedAt) {
    Shown shown;
    ChatScript script = writtenTurn();
    shown.show(script);
    shown.selection.setToken(shown.view.turn(0).thinkingTokens()[6].position);
    keepPicture(shown.view, u"chat-light"_s);
    Theme::instance().setChoice(ThemeChoice::kDark);
    keepPicture(shown.view, u"chat-dark"_s);
    EXPECT_EQ(renderWidget(shown.view, 1.0).pixelColor(2, 300), darkColours().base);
    Theme::instance().setChoice(ThemeChoice::kLight);
    EXPECT_EQ(renderWidget(shown.view, 1.0).pixelColor(2, 300), lightColours().base);
}

}  // namespace
}  // namespace mixoscope
