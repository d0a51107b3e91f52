// The settings of all lanes of a comparison, a row each. Changes act at once: at the next token of a lane that runs.
#pragma once

#include <QDialog>
#include <optional>
#include <vector>

#include "sessions/comparison_snapshot.h"
#include "sessions/workbench.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QToolButton;
class QVBoxLayout;

namespace mixoscope {

class BudgetField;

/// One lane's settings.
class LaneForm : public QWidget {
    Q_OBJECT

public:
    explicit LaneForm(QWidget* parent = nullptr);

    /// Shows what the lane has, except in the field that is being edited.
    void showLane(const ComparedLane& lane, bool is_base, bool can_remove);
    /// Against which policies are checked while they are typed; null: no model.
    void setModel(const std::shared_ptr<const ModelFacts>& model);
    QLineEdit& policy() { return *m_policy; }
    /// Why the policy in the field is none; empty: it is one.
    QString policyError() const;

Q_SIGNALS:
    void settingsChanged(const mixoscope::LaneSettings& settings);
    void removeAsked();

private:
    void announce();
    /// The policy as a form, in a window of its own.
    void openForm();
    void checkPolicy();
    std::optional<QString> refusal() const;

    std::shared_ptr<const ModelFacts> m_model;
    LaneSettings m_settings;  // as shown
    std::optional<ErrorParts> m_lane_error;
    bool m_showing = false;
    std::int32_t m_tag = -1;
    QLabel* m_letter;
    QLineEdit* m_policy;
    QToolButton* m_parameters;
    QLabel* m_error;
    BudgetField* m_budget;
    QComboBox* m_mode;
    QCheckBox* m_greedy;
    QDoubleSpinBox* m_temperature;
    QLineEdit* m_seed;
    QToolButton* m_remove;
};

class LaneEditor : public QDialog {
    Q_OBJECT

public:
    explicit LaneEditor(QWidget* parent = nullptr);

    void showSnapshot(const WorkbenchSnapshot& snapshot);
    LaneForm& lane(std::size_t index) { return *m_forms[index]; }
    std::size_t laneCount() const { return m_forms.size(); }
    /// Moves the focus to a lane's policy.
    void focusLane(int index);

Q_SIGNALS:
    void laneChanged(int index, const mixoscope::LaneSettings& settings);
    void addAsked();
    void removeAsked(int index);

private:
    QVBoxLayout* m_rows;
    QPushButton* m_add;
    std::vector<LaneForm*> m_forms;
};

}  // namespace mixoscope
