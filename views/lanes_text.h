// The texts of compared lanes side by side, painted: aligned by token, tinted where they differ from the baseline.
#pragma once

#include <QHash>
#include <QWidget>
#include <memory>

#include "views/lanes_layout.h"
#include "views/selection.h"
#include "views/token_cursor.h"

class QScrollBar;

namespace mixoscope {

/// The selection's tokens are generated tokens here, 0 the first after the prompt: the same place in all lanes.
class LanesText : public QWidget {
    Q_OBJECT

public:
    static constexpr int kGutter = 56;

    /// `scroll` is the common vertical scroll bar, in pixels.
    LanesText(Selection& selection, QScrollBar& scroll, QWidget* parent = nullptr);

    void setComparison(const std::shared_ptr<const ComparisonSnapshot>& comparison);
    void setColumns(const LaneColumns& columns);
    /// What stands here before there are tokens.
    void setEmptyState(const QString& title, const QString& text);

    const AlignedRows& rows() const { return m_rows; }
    /// Stays at the newest token while lanes run, until someone scrolls up.
    bool follows() const { return m_follow; }
    void setFollow(bool follow);
    /// Where a token is painted, in widget coordinates; empty if the lane does not have it.
    QRectF tokenRect(std::size_t lane, std::int32_t index) const;
    /// The token under a point, −1: none; `lane` is set to the lane there, or −1.
    std::int32_t tokenAt(QPointF point, int& lane) const;
    void stepToken(std::int32_t by);

Q_SIGNALS:
    void contextMenuWanted(QPoint global_position);

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    double widthOf(const TokenRecord& token) const;
    void fitShape();
    void syncScroll();
    void reveal(std::int32_t index);
    void describe();
    QString describeToken(int lane, std::int32_t index) const;
    int rowTop(std::int32_t row) const;
    Phase phaseOfRow(std::size_t lane, std::int32_t row) const;
    QRectF placedRect(std::size_t lane, std::int32_t row, const PlacedToken& token) const;

    void paintGutter(QPainter& painter, std::int32_t first_row, std::int32_t end_row) const;
    void paintLane(QPainter& painter, std::size_t lane, std::int32_t first_row, std::int32_t end_row) const;
    void paintToken(QPainter& painter, std::size_t lane, const PlacedToken& token, const QRectF& rect) const;
    void paintDivergence(QPainter& painter, std::size_t lane, std::int32_t row) const;

    Selection& m_selection;
    TokenCursor m_cursor;
    QScrollBar& m_scroll;
    LaneColumns m_columns;
    std::shared_ptr<const ComparisonSnapshot> m_comparison;
    mutable QHash<TokenId, double> m_widths;
    AlignedRows m_rows;
    LaneId m_shown_lane = -1;  // the baseline's
    bool m_follow = true;
    QString m_empty_title;
    QString m_empty_text;
};

/// A token's text as it flows: spaces as they are, newlines ↵, bytes that are no character in hexadecimal.
QString flowingTokenText(std::string_view bytes);

}  // namespace mixoscope
