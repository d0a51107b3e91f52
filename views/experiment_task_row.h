// One task of an experiment that is being edited: its file, which is read in the background, and how it is judged.
#pragma once

#include <QWidget>
#include <cstdint>
#include <optional>

#include "sessions/experiment.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QSpinBox;

namespace mixoscope {

class ExperimentTaskRow : public QWidget {
    Q_OBJECT

public:
    explicit ExperimentTaskRow(QWidget* parent = nullptr);

    void showTask(const ExperimentTask& task);
    /// As the fields are. Throws Error where the rule is none.
    ExperimentTask task() const;
    /// Items that it asks; nothing: the file has not been read yet, or cannot be, or is a text, which the tokenizer
    /// cuts.
    std::optional<std::int64_t> items() const;
    /// Why it cannot be used; empty: nothing is known against it.
    QString problem() const;
    /// Another task has this name; empty: none.
    void setNameProblem(const QString& problem);

Q_SIGNALS:
    void changed();
    void removeAsked();

private:
    void readFile();
    void browse();
    void showProblem();
    void showLayout();
    TaskLayout chosenLayout() const;

    ExperimentTask m_task;  // as shown last: keeps what has no field
    std::optional<std::int64_t> m_file_items;
    QString m_file_problem;
    QString m_rule_problem;
    QString m_name_problem;
    QString m_window_problem;
    int m_reading = 0;  // which reading of the file is the last one
    bool m_showing = false;
    QLineEdit* m_file;
    QLineEdit* m_name;
    QComboBox* m_layout;
    QLineEdit* m_rule;
    QSpinBox* m_limit;
    QLineEdit* m_system;
    QSpinBox* m_window;
    QSpinBox* m_stride;
    QWidget* m_asking;   // fields of a task that asks
    QWidget* m_scoring;  // fields of a text
    QLabel* m_items;
    QLabel* m_error;
};

}  // namespace mixoscope
