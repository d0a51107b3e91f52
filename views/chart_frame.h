// A QChart in the colours and fonts of the theme, without animation and without OpenGL.
#pragma once

#include <QChartView>

QT_BEGIN_NAMESPACE
class QAbstractAxis;
QT_END_NAMESPACE

namespace mixoscope {

class ChartFrame : public QChartView {
    Q_OBJECT

public:
    explicit ChartFrame(QWidget* parent = nullptr);
    /// Colours of chart and axes; again after a theme change. Series keep what their owner gave them.
    void applyTheme();

Q_SIGNALS:
    void themeChanged();

protected:
    void changeEvent(QEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
};

}  // namespace mixoscope
