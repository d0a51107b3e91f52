// The tool bar of the compare workspace: how many lanes, how quality is measured, what is mapped, run and stop.
#pragma once

#include <QToolBar>

#include "views/difference_map.h"

class QButtonGroup;
class QComboBox;
class QLabel;
class QPushButton;
class QToolButton;

namespace mixoscope {

struct WorkbenchSnapshot;

class ComparisonBar : public QToolBar {
    Q_OBJECT

public:
    explicit ComparisonBar(QWidget* parent);

    void showSnapshot(const WorkbenchSnapshot& snapshot);
    /// What can be shown: the lanes of the prompt, and turns of the conversation that were forked.
    void setSources(const QStringList& names, int current);
    /// Whether there is a prompt to run.
    void setPromptThere(bool there);
    /// As for the control bar: narrow windows lose the captions.
    void fitWidth(int window_width);
    bool teacherForced() const;
    /// Run and stop are one button.
    bool isRunning() const { return m_running; }

Q_SIGNALS:
    /// Index into the names of setSources().
    void sourceChosen(int source);
    void laneCountAsked(int lanes);
    void addAsked();
    void editAsked();
    void measureChosen(mixoscope::LaneMeasure measure);
    void imageAsked();
    void csvAsked();
    void runAsked();
    void stopAsked();

private:
    QWidget* makeLaneCount();
    QAction* addControl(const QString& caption, QWidget* control);
    void showRun();

    QComboBox* m_sources = nullptr;
    QAction* m_sources_shown = nullptr;
    QAction* m_lanes_shown = nullptr;
    QAction* m_quality_shown = nullptr;
    QButtonGroup* m_counts = nullptr;
    QToolButton* m_add = nullptr;
    QPushButton* m_edit = nullptr;
    QComboBox* m_quality = nullptr;
    QComboBox* m_measure = nullptr;
    QToolButton* m_image = nullptr;
    QToolButton* m_csv = nullptr;
    QPushButton* m_run = nullptr;
    QList<QLabel*> m_captions;
    QString m_disabled_reason;
    int m_window_width = 0;
    bool m_forks_shown = false;
    bool m_running = false;
    bool m_prompt_there = false;
};

}  // namespace mixoscope
