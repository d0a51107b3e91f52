#include "views/chat_turn.h"

#include <QFontMetricsF>
#include <QObject>
#include <QPainter>
#include <algorithm>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr qreal kLine = 22.0;  // of chat text
constexpr qreal kLabelRow = 20.0;
constexpr qreal kPadding = 12.0;
constexpr qreal kAnswerBar = 3.0;
constexpr qreal kTagColumn = 34.0;  // room at the right for the tag of injected text

bool isGenerating(LaneState state) {
    return state == LaneState::kPrefill || state == LaneState::kThinking || state == LaneState::kAnswering;
}

QString describe(const LaneSettings& settings, ThinkingMode mode) {
    QString text;
    if (mode == ThinkingMode::kNoThink) text = QObject::tr("no think · ");
    if (settings.sampling.greedy) return text + QObject::tr("greedy");
    return text + QObject::tr("seed %1 · temperature %2")
                      .arg(settings.sampling.seed)
                      .arg(static_cast<double>(settings.sampling.temperature), 0, 'g', 3);
}

QString waitingForAnswer(std::int32_t budget, bool recorded) {
    if (budget != kUnlimitedBudget) {
        return QObject::tr("The answer starts when the block closes: by the model itself, or at N = %1.")
            .arg(format::count(budget));
    }
    return recorded ? QObject::tr("The answer starts when the block closes.")
                    : QObject::tr("The answer starts when the model closes the block, or when you press Answer now.");
}

qreal wrappedHeight(const QFont& font, const QString& text, qreal width) {
    return QFontMetricsF(font).boundingRect(QRectF(0, 0, width, 4000), Qt::TextWordWrap, text).height();
}

}  // namespace

ChatTurn::Section::Section(Phase of_phase) : phase(of_phase), flow(textFont(font_size::kChat), kLine) {}

ChatTurn::ChatTurn()
    : m_user(textFont(font_size::kChat), kLine), m_thinking(Phase::kThinking), m_answer(Phase::kAnswer) {}

void ChatTurn::update(const ChatTurnSource& source) {
    m_user_text = source.user_text;
    m_user.setText(m_user_text);
    m_current = source.current;
    m_generating = source.current && isGenerating(source.state);
    if (source.facts != nullptr && source.history != nullptr) {
        const bool ended = !m_generating;
        if (!m_finished) takeTokens(*source.facts, *source.history, ended);
        m_finished = ended;
        takeFacts(source);
    }
    place();
}

bool ChatTurn::belongsTo(const History& history, std::int32_t first_generated_position) const {
    if (m_next_position < 0) return true;
    return first_generated_position == m_first_position && history.tokenCount() >= m_next_position;
}

void ChatTurn::takeTokens(const TurnFacts& facts, const History& history, bool ended) {
    if (facts.first_generated_position < 0) return;
    if (m_next_position < 0) m_first_position = m_next_position = facts.first_generated_position;
    for (; m_next_position < history.tokenCount(); ++m_next_position) {
        const TokenRecord& token = history.token(m_next_position);
        const std::uint8_t flags = token.trace.flags;
        if (token.trace.phase == Phase::kPrompt || (flags & token_flag::kEndOfTurn) != 0) continue;
        // The frame of the block stands for its tags; a tag where none belongs is shown as text.
        if ((flags & token_flag::kTag) != 0 && (flags & token_flag::kStray) == 0) continue;
        (token.trace.phase == Phase::kThinking ? m_thinking : m_answer).tokens.append(token);
    }
    if (ended) {
        m_thinking.tokens.finish();
        m_answer.tokens.finish();
    }
    m_thinking.flow.setText(m_thinking.tokens.text());
    m_answer.flow.setText(m_answer.tokens.text());
}

void ChatTurn::takeFacts(const ChatTurnSource& source) {
    const TurnFacts& facts = *source.facts;
    m_prompt_facts = QObject::tr("prompt %1 tokens").arg(format::count(facts.prompt_tokens));
    m_settings_facts =
        source.knows_settings ? describe(facts.settings, source.mode) : QObject::tr("settings not recorded");
    m_has_block = facts.block_opened;
    m_block.thinking_tokens = facts.thinking_tokens;
    const bool in_force = source.knows_settings && m_generating && !facts.block_closed;
    m_block.budget = in_force ? facts.settings.budget : facts.budget_at_end;
    m_block.thinking_ms = facts.thinking_ms;
    m_block.closed = facts.block_closed;
    m_block.open = m_generating && facts.block_opened && !facts.block_closed;

    m_waiting.clear();
    if (m_block.open) {
        m_waiting = waitingForAnswer(m_block.budget, source.recorded);
    } else if (m_generating && !facts.block_opened && m_answer.tokens.tokens().empty()) {
        m_waiting = QObject::tr("Reading the prompt…");
    }

    m_notes.clear();
    const auto note = [this](const QString& text, bool warning = false) { m_notes.push_back({text, warning, 0.0}); };
    if (facts.closed_by_hand) {
        note(QObject::tr("Closed by Answer now at N = %1, early-stop text injected (%2 tokens)")
                 .arg(format::count(facts.thinking_tokens), format::count(facts.injected_tokens)));
    } else if (facts.closed_by_budget) {
        note(QObject::tr("Closed by the budget at N = %1, early-stop text injected (%2 tokens)")
                 .arg(format::count(facts.thinking_tokens), format::count(facts.injected_tokens)));
    }
    if (facts.stray_tags == 1) note(QObject::tr("Leak: a thinking tag where none belongs"), true);
    if (facts.stray_tags > 1) {
        note(QObject::tr("Leak: %1 thinking tags where none belong").arg(format::count(facts.stray_tags)), true);
    }
    if (source.mode == ThinkingMode::kNoThink && facts.thinking_tokens > 0) {
        note(QObject::tr("The model thought although it was told not to"), true);
    }
    if (m_generating) return;
    if (facts.block_opened && !facts.block_closed) note(QObject::tr("The think block was never closed"), true);
    switch (facts.stop_reason) {
        case StopReason::kMaxTokens:
            note(QObject::tr("Ended at the token limit of a turn"));
            break;
        case StopReason::kContextFull:
            note(QObject::tr("Ended because the context is full"), true);
            break;
        case StopReason::kStopped:
            note(QObject::tr("Stopped by you"));
            break;
        case StopReason::kError:
            note(QObject::tr("Ended by an error"), true);
            break;
        case StopReason::kNone:
        case StopReason::kEndOfTurn:
        case StopReason::kForcedEnd:
            break;
    }
}

void ChatTurn::setWidth(qreal width) {
    if (width == m_width) return;
    m_width = width;
    m_user.setWidth(width - 2 * kPadding);
    m_thinking.flow.setWidth(width - 2 * kPadding - kTagColumn);
    m_answer.flow.setWidth(width - kPadding - kAnswerBar);
    place();
}

void ChatTurn::setCollapsed(bool collapsed) {
    m_block.collapsed = collapsed;
    place();
}

void ChatTurn::place() {
    if (m_width <= 0.0) return;
    qreal y = kPadding;
    m_user_top = y;
    y += kLabelRow + 4 + m_user.height() + 2 * 8 + 16;
    m_assistant_top = y;
    y += kLabelRow + 6;

    m_thinking.shown = false;
    if (m_has_block) {
        m_block_top = y;
        y += kThinkHeadHeight;
        if (!m_block.collapsed) {
            m_thinking.shown = true;
            m_thinking.left = kPadding;
            m_thinking.top = y + 8;
            // An open block keeps a line free for the caret.
            y = m_thinking.top + std::max(m_thinking.flow.height(), m_block.open ? kLine : 0.0) + 10;
        }
        m_block_bottom = y;
        y += 10;
    }
    m_waiting_height = 0.0;
    if (!m_waiting.isEmpty()) {
        m_waiting_top = y;
        m_waiting_height = wrappedHeight(textFont(font_size::kTable), m_waiting, m_width - 2 * kPadding) + 16;
        y += m_waiting_height + 10;
    }
    m_answer.shown = !m_answer.tokens.tokens().empty();
    if (m_answer.shown) {
        m_answer.left = kPadding + kAnswerBar;
        m_answer.top = y;
        y += std::max(kLine, m_answer.flow.height()) + 10;
    }
    m_notes_top = y;
    for (Note& note : m_notes) {
        note.height = wrappedHeight(textFont(font_size::kTable), note.text, m_width - 20) + 4;
        y += note.height;
    }
    m_height = y + 4;
}

bool ChatTurn::layOut(qreal top, qreal bottom) {
    bool moved = m_user.layOut(top, bottom);
    for (Section* section : {&m_thinking, &m_answer}) {
        if (section->shown) moved |= section->flow.layOut(top - section->top, bottom - section->top);
    }
    if (moved) place();
    return moved;
}

bool ChatTurn::layOutMore(int paragraphs) {
    const bool more =
        m_user.layOutMore(paragraphs) || m_thinking.flow.layOutMore(paragraphs) || m_answer.flow.layOutMore(paragraphs);
    place();
    return more;
}

QRectF ChatTurn::headRectangle() const {
    return m_has_block ? QRectF(0, m_block_top, m_width, kThinkHeadHeight) : QRectF();
}

const ChatTurn::Section* ChatTurn::sectionOf(std::int32_t position) const {
    for (const Section* section : {&m_thinking, &m_answer}) {
        if (section->shown && section->tokens.indexOf(position) >= 0) return section;
    }
    return nullptr;
}

ChatTurn::Hit ChatTurn::hitTest(QPointF point) const {
    Hit hit;
    hit.head = m_has_block && headRectangle().contains(point);
    if (!m_current) return hit;
    for (const Section* section : {&m_thinking, &m_answer}) {
        if (!section->shown) continue;
        const std::int32_t offset = section->flow.offsetAt(point - QPointF(section->left, section->top));
        const std::int32_t index = offset < 0 ? -1 : section->tokens.tokenAt(offset);
        if (index >= 0) hit.position = section->tokens.tokens()[static_cast<std::size_t>(index)].position;
    }
    return hit;
}

std::vector<QRectF> ChatTurn::tokenRectangles(std::int32_t position, qreal top, qreal bottom) const {
    const Section* section = sectionOf(position);
    if (section == nullptr) return {};
    const TextToken token = section->tokens.shownCharacters(section->tokens.indexOf(position));
    auto found = section->flow.rectangles(token.start, token.end, top - section->top, bottom - section->top);
    for (QRectF& rectangle : found) rectangle.translate(section->left, section->top);
    return found;
}

qreal ChatTurn::topOfToken(std::int32_t position) const {
    const Section* section = sectionOf(position);
    if (section == nullptr) return -1.0;
    const auto token = section->tokens.tokens()[static_cast<std::size_t>(section->tokens.indexOf(position))];
    return section->top + section->flow.topOf(token.start);
}

ChatTurn::Anchor ChatTurn::anchorAt(qreal y) const {
    for (const Section* section : {&m_thinking, &m_answer}) {
        if (!section->shown || y < section->top || y > section->top + section->flow.height()) continue;
        const std::int32_t offset = section->flow.paragraphStartAt(y - section->top);
        return {section == &m_thinking ? 0 : 1, offset, y - section->top - section->flow.topOf(offset)};
    }
    return {-1, 0, y};
}

qreal ChatTurn::yOf(const Anchor& anchor) const {
    if (anchor.section < 0) return anchor.delta;
    const Section& section = anchor.section == 0 ? m_thinking : m_answer;
    return section.top + section.flow.topOf(anchor.offset) + anchor.delta;
}

QString ChatTurn::textOf(std::int32_t first_position, std::int32_t last_position) const {
    QString text;
    for (const Section* section : {&m_thinking, &m_answer}) {
        for (const TextToken& token : section->tokens.tokens()) {
            if (token.position >= first_position && token.position < last_position) {
                text += QStringView(section->tokens.text()).mid(token.start, token.end - token.start);
            }
        }
    }
    return text;
}

QStringList ChatTurn::notes() const {
    QStringList texts;
    for (const Note& note : m_notes) texts << note.text;
    return texts;
}

}  // namespace mixoscope
