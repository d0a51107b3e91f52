// A routing policy as text and as a form, two views of one draft: whatever is valid is announced, what is not says why.
#pragma once

#include <QStringList>
#include <QWidget>
#include <functional>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "engine/routing_policy.h"
#include "sessions/model_facts.h"

class QLabel;
class QLineEdit;
class QMenu;
class QScrollArea;
class QToolButton;
class QVBoxLayout;

namespace mixoscope {

class PolicyPartForm;

class PolicyEditor : public QWidget {
    Q_OBJECT

public:
    explicit PolicyEditor(QWidget* parent = nullptr);

    /// The model whose policies are offered; shows its own rule.
    void setModel(const ModelFacts& model);
    /// Shows a policy, as it is in force, without announcing it.
    void showPolicy(const QString& text);
    /// In normal form: announced or shown last. The draft may be on its way to another one.
    const QString& policy() const { return m_policy; }
    /// Policies chosen before, newest first; those that this model does not have are left out.
    void setRecent(const QStringList& texts);
    /// Below the text, such as why a policy waits; empty: none.
    void setNotice(const QString& text);

    QLineEdit& text() { return *m_text; }
    int partCount() const { return static_cast<int>(m_forms.size()); }
    PolicyPartForm& part(int index) { return *m_forms[static_cast<std::size_t>(index)]; }
    /// Adds a part at its defaults: a choosing one in front, for the first phase that it can have to itself; an edit at
    /// the end.
    void addPart(const QString& name);
    /// Makes `text` the draft, as if it had been typed and entered.
    void choose(const QString& text);

Q_SIGNALS:
    /// A valid policy while a slider is dragged: to be tried at once, and not worth an undo.
    void policyDragged(const QString& text);
    /// A valid policy was chosen.
    void policyChosen(const QString& text);

protected:
    void changeEvent(QEvent* event) override;

private:
    QWidget* makeTextRow();
    QWidget* makeMenus();
    void fillAddMenu();
    void fillPresets();
    void clearForms();
    void rebuildForms(std::vector<PolicyPart> parts);
    void showViews();
    std::vector<PolicyPart> parts() const;
    void takeText();
    void takeForms(bool dragging);
    void changeParts(std::vector<PolicyPart> parts);
    void movePart(std::size_t index, int by);
    /// The normal form, or nothing, and then the errors are shown where they are.
    std::optional<QString> checked(const QString& text);
    void showError(const ErrorParts& error, const std::vector<PolicyPart>& parts);
    void showState(const QString& icon, const QString& role, const QString& text);
    void paintIcon();
    bool isPolicy(const std::string& text) const;

    ModelFacts m_model;
    std::vector<PolicySpec> m_specs;
    QString m_policy;
    QLineEdit* m_text = nullptr;
    QString m_icon;  // before the state
    QLabel* m_state_icon = nullptr;
    QLabel* m_state = nullptr;
    QLabel* m_notice = nullptr;
    QToolButton* m_presets = nullptr;
    QToolButton* m_recent = nullptr;
    QToolButton* m_add = nullptr;
    QScrollArea* m_scroll = nullptr;
    QVBoxLayout* m_column = nullptr;
    std::vector<PolicyPartForm*> m_forms;
};

/// Opens the form of a policy in a dialog of its own; `take` gets every policy that is dragged past or chosen.
void openPolicyForm(QWidget* parent, const QString& title, const ModelFacts& model, const QString& policy,
                    std::function<void(const QString&)> take);

/// What an error says, in the order what, where, expected, found, advice; `key` is left out of what is already beside
/// its field.
QString policyErrorText(const ErrorParts& error);
/// The parameter that a policy's error is about; empty: none.
QString policyErrorKey(const ErrorParts& error);

}  // namespace mixoscope
