// The tree of forks, painted: a line a lane over the positions of its tokens, branching off where it goes on otherwise.
#pragma once

#include <QWidget>
#include <memory>
#include <vector>

#include "views/exportable_view.h"
#include "views/fork_tree_data.h"
#include "views/selection.h"

namespace mixoscope {

class ForkTree : public QWidget, public ExportableView {
    Q_OBJECT

public:
    /// `selection`: of the compared lanes; a row that is chosen becomes its lane.
    explicit ForkTree(Selection& selection, QWidget* parent = nullptr);

    void setComparison(const std::shared_ptr<const ComparisonSnapshot>& comparison);
    const std::vector<ForkTreeRow>& rows() const { return m_rows; }
    /// Where a row is painted, in widget coordinates.
    QRect rowRect(int row) const;
    /// Where its letter and change are painted, beside the branch that it goes on from.
    QRectF labelRect(int row) const;

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;
    QSize minimumSizeHint() const override;
    QSize sizeHint() const override;

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    int rowHeight() const;
    int rowAt(QPoint point) const;
    int selectedRow() const;
    void select(int row);
    QRectF plot() const;
    double xOf(std::int32_t position) const;
    double yOf(int row) const;
    QString describe(int row) const;
    void describeSelected();
    void paintLine(QPainter& painter, int row) const;
    void paintBranch(QPainter& painter, int row) const;
    void paintLabel(QPainter& painter, int row) const;
    void paintResult(QPainter& painter, int row) const;
    void paintAxis(QPainter& painter) const;

    Selection& m_selection;
    std::shared_ptr<const ComparisonSnapshot> m_comparison;
    std::vector<ForkTreeRow> m_rows;  // none where nothing was forked
    std::int32_t m_end = 1;           // of the longest lane
};

}  // namespace mixoscope
