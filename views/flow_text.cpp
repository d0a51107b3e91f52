#include "views/flow_text.h"

#include <QFontMetricsF>
#include <QPainter>
#include <algorithm>
#include <cmath>

namespace mixoscope {
namespace {

// A paragraph is laid out as a whole each time it grows, so an endless line is cut into pieces of this many characters.
constexpr std::int32_t kLongestParagraph = 1500;
constexpr std::size_t kKeptLayouts = 400;
constexpr qreal kLineBreakWidth = 6.0;  // a line break that is marked

bool isBlank(QStringView text) {
    return std::all_of(text.begin(), text.end(), [](QChar c) { return c.isSpace(); });
}

/// Where a piece of an endless line ends: after a space if there is one, never inside a surrogate pair.
std::int32_t pieceEnd(QStringView line) {
    std::int32_t end = kLongestParagraph;
    const auto space = line.first(end).lastIndexOf(u' ');
    if (space > kLongestParagraph / 2) return static_cast<std::int32_t>(space) + 1;
    if (line[end - 1].isHighSurrogate()) --end;
    return end;
}

}  // namespace

void FlowText::setText(const QString& text) {
    if (text == m_text) return;
    const bool grows = text.size() > m_text.size() && QStringView(text).startsWith(m_text);
    std::int32_t from = 0;
    if (grows && !m_paragraphs.empty()) {
        from = m_paragraphs.back().start;
        m_paragraphs.pop_back();
    } else {
        m_paragraphs.clear();
    }
    m_text = text;
    split(from);
    m_next_unmeasured = std::min(m_next_unmeasured, m_paragraphs.size());
    place();
}

void FlowText::setWidth(qreal width) {
    if (width == m_width) return;
    m_width = width;
    m_next_unmeasured = 0;
    for (Paragraph& paragraph : m_paragraphs) {
        paragraph.layout.reset();
        paragraph.measured = false;
        estimate(paragraph);
    }
    place();
}

void FlowText::split(std::int32_t from) {
    if (m_text.isEmpty()) return;
    const auto size = static_cast<std::int32_t>(m_text.size());
    const auto add = [this](std::int32_t start, std::int32_t length) {
        Paragraph paragraph;
        paragraph.start = start;
        paragraph.length = length;
        paragraph.blank = isBlank(QStringView(m_text).mid(start, length));
        estimate(paragraph);
        m_paragraphs.push_back(std::move(paragraph));
    };
    for (std::int32_t start = from;;) {
        const auto newline = static_cast<std::int32_t>(m_text.indexOf(u'\n', start));
        const std::int32_t end = newline < 0 ? size : newline;
        while (end - start > kLongestParagraph) {
            const std::int32_t piece = pieceEnd(QStringView(m_text).mid(start, end - start));
            add(start, piece);
            start += piece;
        }
        add(start, end - start);
        if (newline < 0) return;
        start = newline + 1;
    }
}

void FlowText::estimate(Paragraph& paragraph) const {
    const qreal lines =
        m_width > 0.0 ? std::ceil(paragraph.length * QFontMetricsF(m_font).averageCharWidth() / m_width) : 1.0;
    paragraph.height = std::max(1.0, lines) * m_line_height;
}

const QTextLayout& FlowText::layoutOf(const Paragraph& paragraph) const {
    // Paragraphs out of sight lose their layout; the height that was measured stays.
    auto& layout = const_cast<Paragraph&>(paragraph).layout;
    if (layout != nullptr) return *layout;
    layout = std::make_unique<QTextLayout>(m_text.mid(paragraph.start, paragraph.length), m_font);
    QTextOption option;
    option.setWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
    option.setTabStopDistance(4 * QFontMetricsF(m_font).horizontalAdvance(u' '));
    layout->setTextOption(option);
    layout->setCacheEnabled(true);
    layout->beginLayout();
    qreal y = 0.0;
    for (QTextLine line = layout->createLine(); line.isValid(); line = layout->createLine()) {
        line.setLineWidth(std::max(20.0, m_width));
        line.setPosition({0.0, y + (m_line_height - line.height()) / 2.0});
        y += m_line_height;
    }
    layout->endLayout();
    return *layout;
}

void FlowText::measure(Paragraph& paragraph) const {
    paragraph.height = std::max(1, layoutOf(paragraph).lineCount()) * m_line_height;
    paragraph.measured = true;
}

void FlowText::place() {
    // Blank lines before the first and after the last word take no room.
    auto first = std::find_if(m_paragraphs.begin(), m_paragraphs.end(), [](const Paragraph& p) { return !p.blank; });
    auto last = std::find_if(m_paragraphs.rbegin(), m_paragraphs.rend(), [](const Paragraph& p) { return !p.blank; });
    qreal y = 0.0;
    for (auto p = m_paragraphs.begin(); p != m_paragraphs.end(); ++p) {
        p->top = y;
        if (p >= first && p < last.base()) y += p->height;
    }
    m_height = y;
}

std::size_t FlowText::paragraphAt(qreal y) const {
    const auto next = std::upper_bound(m_paragraphs.begin(), m_paragraphs.end(), y,
                                       [](qreal value, const Paragraph& p) { return value < p.top; });
    return next == m_paragraphs.begin() ? 0 : static_cast<std::size_t>(next - m_paragraphs.begin()) - 1;
}

bool FlowText::layOut(qreal top, qreal bottom) {
    if (m_paragraphs.empty() || bottom < 0.0 || top > m_height) return false;
    const qreal before = m_height;
    // Measuring moves what follows, so go on until everything in sight is measured.
    for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t i = paragraphAt(std::max(0.0, top)); i < m_paragraphs.size() && m_paragraphs[i].top <= bottom;
             ++i) {
            if (m_paragraphs[i].measured) continue;
            measure(m_paragraphs[i]);
            changed = true;
        }
        if (changed) place();
    }
    dropFarLayouts(top, bottom);
    return m_height != before;
}

bool FlowText::layOutMore(int paragraphs) {
    bool changed = false;
    for (; m_next_unmeasured < m_paragraphs.size() && paragraphs > 0; ++m_next_unmeasured) {
        Paragraph& paragraph = m_paragraphs[m_next_unmeasured];
        if (paragraph.measured) continue;
        const qreal before = paragraph.height;
        measure(paragraph);
        paragraph.layout.reset();
        changed |= paragraph.height != before;
        --paragraphs;
    }
    if (changed) place();
    return m_next_unmeasured < m_paragraphs.size();
}

void FlowText::dropFarLayouts(qreal top, qreal bottom) {
    const auto kept =
        std::count_if(m_paragraphs.begin(), m_paragraphs.end(), [](const Paragraph& p) { return p.layout != nullptr; });
    if (static_cast<std::size_t>(kept) <= kKeptLayouts) return;
    for (Paragraph& paragraph : m_paragraphs) {
        if (paragraph.top > bottom || paragraph.top + paragraph.height < top) paragraph.layout.reset();
    }
}

void FlowText::paint(QPainter& painter, const QColor& colour, qreal top, qreal bottom) const {
    if (m_paragraphs.empty()) return;
    painter.setPen(colour);
    for (std::size_t i = paragraphAt(std::max(0.0, top)); i < m_paragraphs.size() && m_paragraphs[i].top <= bottom;
         ++i) {
        const Paragraph& paragraph = m_paragraphs[i];
        if (!paragraph.blank) layoutOf(paragraph).draw(&painter, {0.0, paragraph.top});
    }
}

std::vector<QRectF> FlowText::rectangles(std::int32_t first, std::int32_t last, qreal top, qreal bottom,
                                         LineBreaks breaks) const {
    std::vector<QRectF> found;
    if (m_paragraphs.empty() || last <= first) return found;
    auto p = std::upper_bound(m_paragraphs.begin(), m_paragraphs.end(), first,
                              [](std::int32_t value, const Paragraph& paragraph) { return value < paragraph.start; });
    if (p != m_paragraphs.begin()) --p;
    for (; p != m_paragraphs.end() && p->start < last; ++p) {
        if (p->top > bottom || p->top + p->height < top) continue;
        if (p->height <= 0.0 || (p->blank && p->top >= m_height)) continue;
        const std::int32_t from = std::max(first, p->start) - p->start;
        const std::int32_t to = std::min(last, p->start + p->length) - p->start;
        const QTextLayout& layout = layoutOf(*p);
        for (int i = 0; i < layout.lineCount(); ++i) {
            const QTextLine line = layout.lineAt(i);
            const int line_first = std::max(from, line.textStart());
            const int line_last = std::min(to, line.textStart() + line.textLength());
            if (line_last <= line_first) continue;
            const qreal left = line.cursorToX(line_first);
            const qreal right = line.cursorToX(line_last);
            found.emplace_back(std::min(left, right), p->top + i * m_line_height, std::max(3.0, std::abs(right - left)),
                               m_line_height);
        }
        const std::int32_t end = p->start + p->length;
        if (breaks == LineBreaks::kCovered && first <= end && end < last && m_text[end] == u'\n' &&
            layout.lineCount() > 0) {
            const QTextLine line = layout.lineAt(layout.lineCount() - 1);
            found.emplace_back(line.naturalTextWidth(), p->top + (layout.lineCount() - 1) * m_line_height,
                               kLineBreakWidth, m_line_height);
        }
    }
    return found;
}

std::int32_t FlowText::offsetAt(QPointF point) const {
    if (m_paragraphs.empty() || point.y() < 0.0 || point.y() >= m_height) return -1;
    const Paragraph& paragraph = m_paragraphs[paragraphAt(point.y())];
    const QTextLayout& layout = layoutOf(paragraph);
    const int number = static_cast<int>((point.y() - paragraph.top) / m_line_height);
    if (number < 0 || number >= layout.lineCount()) return -1;
    const QTextLine line = layout.lineAt(number);
    if (point.x() < 0.0 || point.x() > line.naturalTextWidth() + 2.0) return -1;
    const int offset = line.xToCursor(point.x(), QTextLine::CursorOnCharacter);
    return paragraph.start + std::min(offset, paragraph.length - 1);
}

std::int32_t FlowText::paragraphStartAt(qreal y) const {
    return m_paragraphs.empty() ? 0 : m_paragraphs[paragraphAt(y)].start;
}

qreal FlowText::topOf(std::int32_t offset) const {
    if (m_paragraphs.empty()) return 0.0;
    auto p = std::upper_bound(m_paragraphs.begin(), m_paragraphs.end(), offset,
                              [](std::int32_t value, const Paragraph& paragraph) { return value < paragraph.start; });
    if (p != m_paragraphs.begin()) --p;
    if (!p->measured || p->blank) return p->top;
    const QTextLine line = layoutOf(*p).lineForTextPosition(std::min(offset - p->start, p->length));
    return p->top + (line.isValid() ? line.lineNumber() * m_line_height : 0.0);
}

}  // namespace mixoscope
