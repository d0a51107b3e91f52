// One turn of the conversation as the chat shows it: the user's message, the think block, the answer, and what has to
// be said about how it ended. Geometry and painting only; ChatView owns scrolling and input.
#pragma once

#include <QString>
#include <vector>

#include "probes/snapshot.h"
#include "views/chat_text.h"
#include "views/flow_text.h"
#include "views/think_block.h"

class QPainter;

namespace mixoscope {

/// Everything that a turn is made from.
struct ChatTurnSource {
    QString user_text;
    ThinkingMode mode = ThinkingMode::kThink;
    const TurnFacts* facts = nullptr;  // null: sent, not begun
    const History* history = nullptr;
    LaneState state = LaneState::kIdle;  // of the lane
    bool current = false;                // the lane's last turn
    bool recorded = false;               // of a recording: nothing in it can be pressed
    bool knows_settings = true;          // false: the engine that it was imported from did not tell them
};

/// Marks of the shared selection, in positions of the lane; −1 and empty: none.
struct ChatMarks {
    std::int32_t token = -1;
    std::int32_t hovered = -1;
    std::int32_t range_first = 0;
    std::int32_t range_last = 0;
    bool head_hovered = false;
    bool head_focused = false;
};

class ChatTurn {
public:
    ChatTurn();

    void update(const ChatTurnSource& source);
    void setWidth(qreal width);
    qreal height() const { return m_height; }
    /// As FlowText: measures what lies between the heights; true if something moved.
    bool layOut(qreal top, qreal bottom);
    bool layOutMore(int paragraphs);
    void paint(QPainter& painter, qreal top, qreal bottom, const ChatMarks& marks) const;

    /// False: the tokens taken so far are not those of a history that begins to generate there (another conversation).
    bool belongsTo(const History& history, std::int32_t first_generated_position) const;
    bool isCurrent() const { return m_current; }
    bool hasThinkBlock() const { return m_has_block; }
    bool isCollapsed() const { return m_block.collapsed; }
    void setCollapsed(bool collapsed);
    const ThinkBlock& block() const { return m_block; }
    QRectF headRectangle() const;

    struct Hit {
        bool head = false;
        std::int32_t position = -1;  // of the token under the point
    };
    Hit hitTest(QPointF point) const;
    /// Where the token's characters are; empty: it is not in this turn or out of sight.
    std::vector<QRectF> tokenRectangles(std::int32_t position, qreal top, qreal bottom) const;
    /// Top of the token's line, −1: it is not shown here.
    qreal topOfToken(std::int32_t position) const;

    /// A place in the text that stays where it is while heights above it change.
    struct Anchor {
        int section = -1;  // 0 thinking, 1 answer
        std::int32_t offset = 0;
        qreal delta = 0.0;
    };
    Anchor anchorAt(qreal y) const;
    qreal yOf(const Anchor& anchor) const;

    const QString& userText() const { return m_user_text; }
    const QString& settingsFacts() const { return m_settings_facts; }
    QString thinkingText() const { return m_thinking.tokens.text(); }
    QString answerText() const { return m_answer.tokens.text(); }
    QString textOf(std::int32_t first_position, std::int32_t last_position) const;
    /// What has to happen before the answer starts; empty: it has, or the turn is over.
    const QString& waiting() const { return m_waiting; }
    QStringList notes() const;
    std::span<const TextToken> thinkingTokens() const { return m_thinking.tokens.tokens(); }
    std::span<const TextToken> answerTokens() const { return m_answer.tokens.tokens(); }

private:
    struct Section {
        explicit Section(Phase phase);
        Phase phase;
        TokenText tokens;
        FlowText flow;
        qreal top = 0.0;  // of the text in the turn
        qreal left = 0.0;
        bool shown = false;
    };
    struct Note {
        QString text;
        bool warning = false;
        qreal height = 0.0;
    };
    void takeTokens(const TurnFacts& facts, const History& history, bool ended);
    void takeFacts(const ChatTurnSource& source);
    void place();
    void paintMarks(QPainter& painter, const Section& section, qreal top, qreal bottom, const ChatMarks& marks) const;
    void paintSection(QPainter& painter, const Section& section, qreal top, qreal bottom, const ChatMarks& marks) const;
    void paintNotes(QPainter& painter) const;
    const Section* sectionOf(std::int32_t position) const;

    qreal m_width = 0.0;
    qreal m_height = 0.0;
    bool m_current = false;
    bool m_generating = false;
    bool m_has_block = false;
    bool m_finished = false;
    QString m_user_text;
    QString m_prompt_facts;    // "prompt 48 tokens"
    QString m_settings_facts;  // "seed 7 · temperature 0.6"
    QString m_waiting;         // what has to happen before the answer starts
    FlowText m_user;
    Section m_thinking;
    Section m_answer;
    ThinkBlock m_block;
    std::vector<Note> m_notes;
    std::int32_t m_first_position = -1;
    std::int32_t m_next_position = -1;  // first position of the history not looked at yet

    // Places, from place().
    qreal m_user_top = 0.0;
    qreal m_assistant_top = 0.0;
    qreal m_block_top = 0.0;
    qreal m_block_bottom = 0.0;
    qreal m_waiting_top = 0.0;
    qreal m_waiting_height = 0.0;
    qreal m_notes_top = 0.0;
};

}  // namespace mixoscope
