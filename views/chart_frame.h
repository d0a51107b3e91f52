// A QChart in the colours and fonts of the theme, without animation and without OpenGL.
#pragma once

#include <QChartView>
#include <QTimer>

#include "views/axis_ticks.h"

QT_BEGIN_NAMESPACE
class QAbstractAxis;
class QValueAxis;
QT_END_NAMESPACE

namespace mixoscope {

class ChartFrame : public QChartView {
    Q_OBJECT

public:
    explicit ChartFrame(QWidget* parent = nullptr);
    /// Colours of chart and axes; again after a theme change. Series keep what their owner gave them.
    void applyTheme();
    /// From 0 to at least `highest`, in round steps, with as many labels as the plot has room for.
    ValueScale fitValueAxis(QValueAxis& axis, double highest) const;

Q_SIGNALS:
    void themeChanged();
    /// The plot has another size in pixels, so that more or fewer labels fit; after the chart's layout, never within
    /// it.
    void plotResized();

protected:
    void changeEvent(QEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    QTimer m_after_layout;
    QSize m_plot_size;  // at the last plotResized()
};

}  // namespace mixoscope
