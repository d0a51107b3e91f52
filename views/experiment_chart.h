// What the charts of an experiment have in common: a mark a cell that can be pointed at, clicked and reached with keys.
#pragma once

#include <QWidget>
#include <vector>

#include "views/experiment_selection.h"
#include "views/exportable_view.h"
#include "views/painting.h"

namespace mixoscope {

class ExperimentChart : public QWidget, public ExportableView {
    Q_OBJECT

public:
    ExperimentChart(ExperimentSelection& selection, QWidget* parent);

    QImage renderToImage(qreal scale) override;
    /// Whether there is nothing to draw of what is selected.
    bool isEmpty() const { return !emptyState().title.isEmpty(); }
    /// Where a cell's mark was painted last; null: nowhere.
    QRectF markOf(std::size_t cell) const;

Q_SIGNALS:
    /// A click, a double click or Enter on a cell: its runs are asked for.
    void runsAsked();

protected:
    struct Mark {
        QRectF area;
        std::size_t cell = 0;
    };
    /// Paints into the area and returns the marks. Called when there is something to paint.
    virtual std::vector<Mark> paintChart(QPainter& painter, const QRectF& area) = 0;
    /// Why there is nothing to paint; an empty title: there is something.
    virtual EmptyState emptyState() const;

    ExperimentSelection& selection() const { return m_selection; }
    const ExperimentFrame& frame() const { return *m_selection.frame(); }
    const CellResult& result(std::size_t cell) const { return m_selection.experiment()->results[cell]; }
    QString policy(std::size_t index) const;
    bool hasResults() const;
    /// Whether any run of what is shown was judged.
    bool anyJudged() const;
    /// Fields task, policy, sampling, mode and budget for csv().
    QString placeFields(std::size_t policy, const ExperimentPlace& place) const;

    /// Accuracy of every cell of the slice.
    QString accuracyCsv() const;

    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    bool event(QEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    const Mark* markAt(QPointF place) const;

    ExperimentSelection& m_selection;
    std::vector<Mark> m_marks;
};

/// "top-k:k=1 · B 64"; of a text the task instead of the place.
QString cellTitle(const Experiment& experiment, const ExperimentCell& cell);
/// What a cell is and what was measured of it, a line a fact.
QString describeCell(const ExperimentSnapshot& experiment, std::size_t cell);
/// "87.2 [84.0, 89.8]", in per cent; absent without judged runs.
QString accuracyText(const Proportion& accuracy);
/// "12.34 [11.90, 12.80]"; absent where nothing was scored.
QString perplexityText(const MeanWithInterval& perplexity);
/// The same with four digits.
QString nllChangeText(const MeanWithInterval& change);
bool isFinished(const CellResult& result);

}  // namespace mixoscope
