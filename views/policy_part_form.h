// One part of a policy as a form: its rule, what it does and costs, its parameters, and where it acts.
#pragma once

#include <QWidget>
#include <vector>

#include "engine/routing_policy.h"

class QComboBox;
class QLabel;
class QToolButton;

namespace mixoscope {

class PolicyParameterRow;

class PolicyPartForm : public QWidget {
    Q_OBJECT

public:
    /// `specs`: what the rule can be changed to; the part's own is among them.
    PolicyPartForm(const std::vector<PolicySpec>& specs, const PolicyPart& part, QWidget* parent = nullptr);

    const QString& name() const { return m_name; }
    bool edits() const { return m_edits; }
    /// What the form says; values at their defaults are left out.
    PolicyPart part() const;
    /// Shows another part of the same rule without announcing it.
    void showPart(const PolicyPart& part);
    /// Says what the part's choice depends on with the values that it has.
    void showView(RuleView view);
    /// True if there is a field of this key.
    bool showError(const QString& key, const QString& message);
    /// Which of the buttons beside the rule make sense.
    void setMovable(bool up, bool down, bool removable);
    PolicyParameterRow* row(const QString& key) const;

Q_SIGNALS:
    void dragged();
    void edited();
    void ruleChosen(const QString& name);
    void moveAsked(int by);
    void removeAsked();

private:
    QWidget* makeHeader(const std::vector<PolicySpec>& specs, const PolicySpec& spec);
    QWidget* makeScopes(const PolicySpec& spec);
    PolicyParameterRow* makeRow(const ParameterSpec& spec, QWidget* parent);
    void showScopes();

    QString m_name;
    bool m_edits = false;
    std::vector<PolicyParameterRow*> m_rows;
    QLabel* m_sees_later = nullptr;
    QLabel* m_remembers = nullptr;
    QToolButton* m_scope_button = nullptr;
    QWidget* m_scopes = nullptr;
    QToolButton* m_up = nullptr;
    QToolButton* m_down = nullptr;
    QToolButton* m_remove = nullptr;
};

}  // namespace mixoscope
