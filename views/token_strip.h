// One cell a token: its text with visible spaces, its position, its phase, the mean entropy of its routing.
#pragma once

#include <QWidget>
#include <vector>

#include "views/bridge.h"
#include "views/exportable_view.h"
#include "views/selection.h"
#include "views/token_cursor.h"

namespace mixoscope {

class TokenStrip : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit TokenStrip(Selection& selection, QWidget* parent = nullptr);
    void setSnapshot(const SnapshotPointer& snapshot);
    /// The token under a point, −1 none.
    std::int32_t tokenAt(QPointF point) const;

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    struct Cell {
        std::int32_t position = 0;
        QRectF rect;
        QString text;
    };
    const History& history() const;
    std::vector<Cell> layoutCells() const;
    void paintCell(QPainter& painter, const Cell& cell) const;

    Selection& m_selection;
    TokenCursor m_cursor;
    SnapshotPointer m_snapshot;
    std::int32_t m_scrolled_to = -1;  // token in the middle after scrolling by wheel; −1: the cursor or the newest
    double m_scroll_rest = 0.0;       // part of a token that the wheel has turned
};

/// Mean over layers of a row's normalised router entropy; NaN if the token has no routing yet.
double meanEntropy(const History& history, std::int32_t position);

}  // namespace mixoscope
