// The sequence at a glance: phases, settings changes, thinking against its budget, entropy; a drag selects a range.
#pragma once

#include <QWidget>
#include <vector>

#include "views/bridge.h"
#include "views/exportable_view.h"
#include "views/phase_runs.h"
#include "views/selection.h"
#include "views/token_axis.h"
#include "views/token_cursor.h"

namespace mixoscope {

/// What the tracks draw, token by token; extended as tokens arrive.
class TimelineData {
public:
    void update(const History& history);
    const std::vector<float>& entropy() const { return m_entropy; }           // NaN: not routed yet
    const std::vector<std::int32_t>& thinking() const { return m_thinking; }  // N, −1 outside a block
    const std::vector<std::int32_t>& budget() const { return m_budget; }      // B, −1 outside a block

private:
    std::vector<float> m_entropy;
    std::vector<std::int32_t> m_thinking;
    std::vector<std::int32_t> m_budget;
    TokenId m_last_id = -1;
    Step m_last_step = -1;
};

/// A settings change as shown.
struct TimelineMark {
    std::int32_t position = 0;
    Step step = 0;
    QString label;    // "budget 512 → 1,024"
    QString details;  // with the step
};
/// The changes that belong to a turn, in order; −1: the newest.
std::vector<TimelineMark> marksOfTurn(const LaneSnapshot& lane, std::int32_t turn);

class Timeline : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit Timeline(Selection& selection, QWidget* parent = nullptr);
    void setSnapshot(const SnapshotPointer& snapshot);
    const TokenAxis& axis() const { return m_axis; }
    const std::vector<TimelineMark>& marks() const { return m_marks; }

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    /// Tracks from top to bottom; those that do not fit are left out from below, phase and settings never.
    struct Tracks {
        QRectF phase, settings, thinking, entropy, positions;
    };
    const LaneSnapshot* lane() const { return findLane(m_snapshot, m_selection.lane()); }
    const History& history() const;
    Tracks tracks() const;
    const TimelineMark* markAt(QPointF point) const;
    /// Zooms about a place; all the way out, it follows the newest token again.
    void zoom(double about_x, double notches);
    /// The token that a press at a point means, −1 left of the tracks.
    std::int32_t pressedToken(QPointF point) const;
    void paintHeader(QPainter& painter) const;
    void paintSettings(QPainter& painter, const Tracks& tracks) const;
    void paintThinking(QPainter& painter, const QRectF& track) const;
    void paintEntropy(QPainter& painter, const QRectF& track) const;
    void paintSelection(QPainter& painter, const Tracks& tracks) const;

    Selection& m_selection;
    TokenCursor m_cursor;
    SnapshotPointer m_snapshot;
    TokenAxis m_axis;
    PhaseRuns m_runs;
    TimelineData m_data;
    std::vector<TimelineMark> m_marks;
};

}  // namespace mixoscope
