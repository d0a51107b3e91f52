// An expert's load over time: its share of the last rows, beside the share that an even load would give it.
#pragma once

#include <QWidget>
#include <vector>

#include "views/chart_frame.h"
#include "views/selection.h"

QT_BEGIN_NAMESPACE
class QLabel;
class QLineSeries;
class QValueAxis;
QT_END_NAMESPACE

namespace mixoscope {

class ExpertLoadChart : public QWidget {
    Q_OBJECT

public:
    explicit ExpertLoadChart(Selection& selection, QWidget* parent = nullptr);

    struct Line {
        QString name;  // empty: not shown
        std::vector<QPointF> points;
    };
    /// `even`: the share of an even load.
    void show(Line selected, Line pinned, double even, std::int32_t window);
    const Line& selected() const { return m_selected; }
    const Line& pinned() const { return m_pinned; }
    double even() const { return m_even; }
    ChartFrame& frame() { return *m_frame; }

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void restyle();
    void fitAxes();
    void showCursor();
    void showLegend();

    Selection& m_selection;
    Line m_selected;
    Line m_pinned;
    double m_even = 0.0;
    QLabel* m_legend;
    ChartFrame* m_frame;
    QLineSeries* m_lines[2];  // selected, pinned
    QLineSeries* m_even_line;
    QLineSeries* m_cursor;
    QValueAxis* m_positions;
    QValueAxis* m_shares;
};

}  // namespace mixoscope
