// A recording from end to end, its phases and turns as bands: press or drag to go to a token. Keys are left to the bar
// that it is part of.
#pragma once

#include <QAbstractSlider>
#include <memory>
#include <vector>

#include "sessions/playback.h"

class QPainter;

namespace mixoscope {

class SeekBar : public QAbstractSlider {
    Q_OBJECT

public:
    explicit SeekBar(QWidget* parent = nullptr);

    /// Of an empty index nothing can be chosen.
    void setIndex(std::shared_ptr<const PlaybackIndex> index);
    /// While it is dragged the handle stays under the pointer.
    void setStep(std::int64_t step);
    /// Rows that are marked, in order.
    void setBookmarks(std::vector<std::int64_t> rows);
    /// `first` alone: its other end is still to be chosen; 0: none.
    void setLoop(const PlaybackLoop& loop);
    /// Share of the file that was read, 0 to 1; 1: everything.
    void setReadShare(double share);
    /// Where the end of a step is.
    QPoint pointOf(std::int64_t step) const;
    QSize sizeHint() const override { return {320, 28}; }
    QSize minimumSizeHint() const override { return {120, 28}; }

Q_SIGNALS:
    void stepChosen(qint64 step);
    /// Dragged with Shift.
    void loopChosen(qint64 first, qint64 last);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    bool event(QEvent* event) override;

private:
    /// Rows of one phase and turn in a row.
    struct Run {
        std::int64_t first = 0;
        std::int64_t end = 0;
        Phase phase = Phase::kPrompt;
        bool begins_turn = false;
    };
    QRectF groove() const;
    double toX(std::int64_t row) const;
    std::int64_t stepAt(double x) const;
    void choose(QMouseEvent& event);
    void paintLoop(QPainter& painter) const;
    void paintBookmarks(QPainter& painter) const;
    QString describe(std::int64_t step) const;

    std::shared_ptr<const PlaybackIndex> m_index;
    std::vector<Run> m_runs;
    std::vector<std::int64_t> m_bookmarks;
    PlaybackLoop m_loop;
    std::int64_t m_step = 0;
    double m_read = 1.0;
    bool m_dragging = false;
    std::int64_t m_loop_from = 0;  // where a drag with Shift began; 0: none is under way
};

}  // namespace mixoscope
