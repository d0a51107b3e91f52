// How a turn looks; its geometry is in chat_turn.cpp.
#include <QObject>
#include <QPainter>
#include <QPainterPath>
#include <algorithm>

#include "views/chat_turn.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr qreal kLabelRow = 20.0;
constexpr qreal kPadding = 12.0;

void paintLabelRow(QPainter& painter, const QString& who, const QString& facts, qreal top, qreal width) {
    const QRectF row(0, top, width, kLabelRow);
    painter.setFont(textFont(font_size::kInterface, QFont::DemiBold));
    painter.setPen(colours().text);
    painter.drawText(row, Qt::AlignLeft | Qt::AlignVCenter, who);
    painter.setFont(textFont(font_size::kTable));
    painter.setPen(colours().muted_text);
    painter.drawText(row, Qt::AlignRight | Qt::AlignVCenter, facts);
}

void paintRounded(QPainter& painter, const QRectF& rectangle, const QColor& fill, const QPen& pen, qreal radius) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(pen);
    painter.setBrush(fill);
    painter.drawRoundedRect(rectangle, radius, radius);
    painter.restore();
}

/// Runs of neighbouring tokens with a flag, as character ranges [first, last).
std::vector<std::pair<std::int32_t, std::int32_t>> runsWithFlag(std::span<const TextToken> tokens, std::uint8_t flag) {
    std::vector<std::pair<std::int32_t, std::int32_t>> runs;
    for (const TextToken& token : tokens) {
        if ((token.flags & flag) == 0) continue;
        if (!runs.empty() && runs.back().second == token.start) {
            runs.back().second = token.end;
        } else {
            runs.emplace_back(token.start, token.end);
        }
    }
    return runs;
}

}  // namespace

void ChatTurn::paint(QPainter& painter, qreal top, qreal bottom, const ChatMarks& marks) const {
    paintLabelRow(painter, QObject::tr("You"), m_prompt_facts, m_user_top, m_width);
    const QRectF bubble(0, m_user_top + kLabelRow + 4, m_width, m_user.height() + 16);
    paintRounded(painter, bubble, phaseBand(Phase::kPrompt), Qt::NoPen, 4);
    painter.save();
    const QPointF user_origin(kPadding, bubble.top() + 8);
    painter.translate(user_origin);
    m_user.paint(painter, colours().text, top - user_origin.y(), bottom - user_origin.y());
    painter.restore();

    paintLabelRow(painter, QObject::tr("Assistant"), m_settings_facts, m_assistant_top, m_width);
    if (m_has_block) {
        const QRectF frame(0, m_block_top, m_width, m_block_bottom - m_block_top);
        paintThinkBlock(painter, m_block, frame, marks.head_hovered, marks.head_focused);
    }
    if (!m_waiting.isEmpty()) {
        const QRectF box(0.5, m_waiting_top + 0.5, m_width - 1, m_waiting_height - 1);
        paintRounded(painter, box, Qt::transparent, QPen(colours().strong_border, 1, Qt::DashLine), 4);
        painter.setFont(textFont(font_size::kTable));
        painter.setPen(colours().muted_text);
        painter.drawText(box.adjusted(kPadding, 0, -kPadding, 0), Qt::TextWordWrap | Qt::AlignVCenter, m_waiting);
    }
    if (m_answer.shown) {
        const qreal height = std::max(22.0, m_answer.flow.height());
        painter.fillRect(QRectF(0, m_answer.top, 3, height), phaseColour(Phase::kAnswer));
    }
    for (const Section* section : {&m_thinking, &m_answer}) {
        if (section->shown) paintSection(painter, *section, top, bottom, marks);
    }
    paintNotes(painter);
}

void ChatTurn::paintSection(QPainter& painter, const Section& section, qreal top, qreal bottom,
                            const ChatMarks& marks) const {
    painter.save();
    painter.translate(section.left, section.top);
    top -= section.top;
    bottom -= section.top;
    for (const auto& [first, last] : runsWithFlag(section.tokens.tokens(), token_flag::kInjected)) {
        const auto rectangles = section.flow.rectangles(first, last, top, bottom, FlowText::LineBreaks::kLeftOut);
        for (const QRectF& rectangle : rectangles) paintInjectedBackground(painter, rectangle);
        if (!rectangles.empty()) {
            paintTag(painter, u"inj"_s, m_width - section.left - 10, rectangles.front().center().y(),
                     phaseColour(Phase::kThinking), phaseBand(Phase::kThinking));
        }
    }
    for (const auto& [first, last] : runsWithFlag(section.tokens.tokens(), token_flag::kStray)) {
        for (const QRectF& rectangle : section.flow.rectangles(first, last, top, bottom)) {
            paintRounded(painter, rectangle.adjusted(0, 2, 0, -2), colours().warning_background,
                         QPen(colours().warning, 1), 3);
        }
    }
    if (m_current) paintMarks(painter, section, top, bottom, marks);
    section.flow.paint(painter, colours().text, top, bottom);

    // The caret stands behind the newest character of the part that is being written.
    const bool writing = m_generating && (section.phase == Phase::kThinking) == m_block.open;
    if (writing) {
        const auto size = static_cast<std::int32_t>(section.flow.text().size());
        const auto newest = section.flow.rectangles(std::max(0, size - 1), size, top, bottom);
        const QRectF last =
            newest.empty() ? QRectF(0, std::max(0.0, section.flow.height() - 22.0), 0, 22) : newest.back();
        painter.fillRect(QRectF(last.right() + 1, last.top() + 3, 7, 16), phaseColour(section.phase));
    }
    painter.restore();
}

void ChatTurn::paintMarks(QPainter& painter, const Section& section, qreal top, qreal bottom,
                          const ChatMarks& marks) const {
    const auto tokens = section.tokens.tokens();
    const auto paintToken = [&](std::int32_t position, const QColor& fill, const QPen& pen) {
        const std::int32_t index = section.tokens.indexOf(position);
        if (index < 0) return;
        const TextToken token = section.tokens.shownCharacters(index);
        for (const QRectF& rectangle : section.flow.rectangles(token.start, token.end, top, bottom)) {
            paintRounded(painter, rectangle.adjusted(-0.5, 1.5, 0.5, -1.5), fill, pen, 3);
        }
    };
    if (marks.range_last > marks.range_first && !tokens.empty()) {
        const auto before = [](const TextToken& token, std::int32_t position) { return token.position < position; };
        const auto first = std::lower_bound(tokens.begin(), tokens.end(), marks.range_first, before);
        const auto last = std::lower_bound(tokens.begin(), tokens.end(), marks.range_last, before);
        if (first != last) {
            for (const QRectF& r : section.flow.rectangles(first->start, std::prev(last)->end, top, bottom)) {
                painter.fillRect(r, colours().accent_background);
            }
        }
    }
    if (marks.hovered >= 0 && marks.hovered != marks.token) {
        QColor fill = colours().accent;
        fill.setAlphaF(0.16F);
        paintToken(marks.hovered, fill, Qt::NoPen);
    }
    if (marks.token >= 0) paintToken(marks.token, colours().accent_background, QPen(colours().accent, 1.5));
}

void ChatTurn::paintNotes(QPainter& painter) const {
    qreal y = m_notes_top;
    for (const Note& note : m_notes) {
        const QColor& colour = note.warning ? colours().warning : colours().muted_text;
        const auto icon = themedPixmap(note.warning ? u"warning"_s : u"clock"_s, colour, 14, deviceScale(painter));
        painter.drawPixmap(QPointF(0, y + 1), icon);
        painter.setFont(textFont(font_size::kTable));
        painter.setPen(colour);
        painter.drawText(QRectF(20, y, m_width - 20, note.height), Qt::TextWordWrap, note.text);
        y += note.height;
    }
}

}  // namespace mixoscope
