// Wrapped text that grows at its end and stays fast at any length: laid out by paragraph, only where it is looked at;
// the rest counts with an estimate until there is time. Knows nothing of tokens.
#pragma once

#include <QFont>
#include <QRectF>
#include <QString>
#include <QTextLayout>
#include <cstdint>
#include <memory>
#include <vector>

class QPainter;

namespace mixoscope {

class FlowText {
public:
    FlowText(const QFont& font, qreal line_height) : m_font(font), m_line_height(line_height) {}

    /// `text` begins with what was set before, or replaces it.
    void setText(const QString& text);
    void setWidth(qreal width);

    const QString& text() const { return m_text; }
    qreal height() const { return m_height; }
    /// Lays out what lies between the two heights; true if anything was estimated wrongly, i.e. the height changed.
    bool layOut(qreal top, qreal bottom);
    /// Measures some more of the paragraphs that are only estimated; false: all are measured.
    bool layOutMore(int paragraphs);

    /// Paints lines between top and bottom (own coordinates) with the origin at (0, 0).
    void paint(QPainter& painter, const QColor& colour, qreal top, qreal bottom) const;
    /// Rectangles that cover the characters, a line each; between top and bottom only. A line break has a small one of
    /// its own, unless it is left out.
    enum class LineBreaks { kCovered, kLeftOut };
    std::vector<QRectF> rectangles(std::int32_t first, std::int32_t last, qreal top, qreal bottom,
                                   LineBreaks breaks = LineBreaks::kCovered) const;
    /// Offset of the character under the point, −1: none.
    std::int32_t offsetAt(QPointF point) const;
    /// Offset of the first character of the paragraph at that height.
    std::int32_t paragraphStartAt(qreal y) const;
    /// Top of the line that shows the character (estimated if that is not laid out yet).
    qreal topOf(std::int32_t offset) const;

private:
    struct Paragraph {
        std::int32_t start = 0;
        std::int32_t length = 0;
        qreal top = 0.0;
        qreal height = 0.0;
        bool blank = false;  // nothing but white space
        bool measured = false;
        std::unique_ptr<QTextLayout> layout;
    };
    void split(std::int32_t from);
    void estimate(Paragraph& paragraph) const;
    void measure(Paragraph& paragraph) const;
    const QTextLayout& layoutOf(const Paragraph& paragraph) const;
    void place();
    std::size_t paragraphAt(qreal y) const;
    void dropFarLayouts(qreal top, qreal bottom);

    QFont m_font;
    qreal m_line_height;
    qreal m_width = 0.0;
    qreal m_height = 0.0;
    QString m_text;
    std::vector<Paragraph> m_paragraphs;
    std::size_t m_next_unmeasured = 0;
};

}  // namespace mixoscope
