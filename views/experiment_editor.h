// An experiment as a form: tasks, policies, budgets, modes, seeds and sampling, each with what is wrong with it beside
// it, and what it will take.
#pragma once

#include <QWidget>
#include <optional>
#include <vector>

#include "sessions/experiment_snapshot.h"

class QCheckBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;
class QVBoxLayout;

namespace mixoscope {

class ExperimentPolicyRow;
class ExperimentTaskRow;

class ExperimentEditor : public QWidget {
    Q_OBJECT

public:
    explicit ExperimentEditor(QWidget* parent = nullptr);

    /// Shows the experiment unless what is written here was changed; locks it while it runs.
    void setExperiment(const ExperimentPointer& experiment);
    /// Another experiment to be written, in place of what is here.
    void edit(const Experiment& experiment);
    /// Drops what is written here: another experiment is being opened.
    void forget() { m_changed = false; }
    /// The fields differ from the experiment that is open.
    bool isChanged() const { return m_changed; }
    /// As the fields are; nothing: some are wrong, and say so.
    std::optional<Experiment> experiment() const;
    /// Files of tasks that can be added by their name.
    void setTaskFiles(const QStringList& files);

    std::size_t taskCount() const { return m_tasks.size(); }
    ExperimentTaskRow& task(std::size_t index) { return *m_tasks[index]; }
    std::size_t policyCount() const { return m_policies.size(); }
    ExperimentPolicyRow& policy(std::size_t index) { return *m_policies[index]; }

Q_SIGNALS:
    /// What is written here is to be opened.
    void useAsked(const mixoscope::Experiment& experiment);
    void saveAsked(const mixoscope::Experiment& experiment);

private:
    struct ListField {
        QLineEdit* field = nullptr;
        QLabel* error = nullptr;
    };
    void makeForm(QVBoxLayout& column);
    void makeButtons(QVBoxLayout& column);
    QLabel* makeError(const QString& name);
    ListField makeListField(QVBoxLayout& column, const QString& name, const QString& title, const QString& tip);
    void addTask(const ExperimentTask& task);
    void addPolicy(const QString& text);
    void removeTask(ExperimentTaskRow* row);
    void removePolicy(ExperimentPolicyRow* row);
    void fillTaskMenu();
    void touch();
    void check();
    bool checkLists();
    void showTotals();
    std::optional<std::int64_t> runsOf(const std::vector<ExperimentCell>& cells) const;

    ExperimentPointer m_experiment;
    std::shared_ptr<const ExperimentFrame> m_frame;  // that the fields were filled from
    Experiment m_base;                               // what has no field is kept from it
    QStringList m_task_files;
    bool m_changed = false;
    bool m_filling = false;
    bool m_valid = false;
    QWidget* m_form;
    QLabel* m_lock;
    QLineEdit* m_name = nullptr;
    QLineEdit* m_model = nullptr;
    QVBoxLayout* m_task_rows = nullptr;
    QVBoxLayout* m_policy_rows = nullptr;
    QPushButton* m_add_task = nullptr;
    std::vector<ExperimentTaskRow*> m_tasks;
    std::vector<ExperimentPolicyRow*> m_policies;
    ListField m_budgets;
    ListField m_samplings;
    ListField m_seeds;
    ListField m_lanes;
    QCheckBox* m_think = nullptr;
    QCheckBox* m_no_think = nullptr;
    QCheckBox* m_soft_switch = nullptr;
    QLabel* m_mode_error = nullptr;
    QSpinBox* m_max_tokens = nullptr;
    QLabel* m_problem = nullptr;  // of the experiment as a whole
    QLabel* m_totals = nullptr;
    QPushButton* m_use = nullptr;
    QPushButton* m_save = nullptr;
    QPushButton* m_undo = nullptr;
};

}  // namespace mixoscope
