// The tool bar of the experiments: which experiment, and which part of it the charts show.
#pragma once

#include <QToolBar>

class QComboBox;
class QLabel;
class QMenu;
class QToolButton;

namespace mixoscope {

class ExperimentSelection;

class ExperimentBar : public QToolBar {
    Q_OBJECT

public:
    ExperimentBar(ExperimentSelection& selection, QWidget* parent);

    /// The button's menu with what can be opened.
    QMenu& openMenu() { return *m_menu; }
    void fitWidth(int window_width);

Q_SIGNALS:
    void csvAsked();
    void reportAsked();
    void editAsked();

private:
    QAction* addControl(const QString& caption, QWidget* control);
    QComboBox* makeChoice(const QString& name, const QString& caption, const QString& tip);
    void refresh();
    /// Shows what there is to choose from; hidden where there is but one.
    static void fill(QComboBox& box, QAction& action, const QStringList& texts, std::size_t current);

    ExperimentSelection& m_selection;
    QList<QLabel*> m_captions;
    QToolButton* m_experiment;
    QMenu* m_menu;
    QToolButton* m_edit;
    QComboBox* m_task;
    QComboBox* m_sampling;
    QComboBox* m_seed;
    QComboBox* m_lanes;
    QComboBox* m_policies;
    QAction* m_task_shown;
    QAction* m_sampling_shown;
    QAction* m_seed_shown;
    QAction* m_lanes_shown;
    QAction* m_policies_shown;
    QToolButton* m_csv;
    QToolButton* m_report;
};

}  // namespace mixoscope
