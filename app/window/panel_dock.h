// A dock with the workbench's title bar: title, a muted line of facts, float and close.
#pragma once

#include <QDockWidget>

class QLabel;
class QToolButton;

namespace mixoscope {

class PanelDock : public QDockWidget {
    Q_OBJECT

public:
    /// `name` is the objectName that layouts are saved under.
    PanelDock(const QString& name, const QString& title, QWidget* view, QWidget* parent);
    void setSubtitle(const QString& text);
    /// A panel that fills its dock without a title, as the start page does.
    void setTitleVisible(bool visible);

private:
    QWidget* m_bar;
    QWidget* m_no_bar;
    QLabel* m_subtitle;
};

}  // namespace mixoscope
