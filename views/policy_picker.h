// The routing policy of a lane: its rule, a button that opens the form, and undo.
#pragma once

#include <QWidget>
#include <optional>

#include "engine/error.h"
#include "sessions/model_facts.h"

class QComboBox;
class QDialog;
class QToolButton;
class QUndoStack;

namespace mixoscope {

class PolicyEditor;

class PolicyPicker : public QWidget {
    Q_OBJECT

public:
    explicit PolicyPicker(QUndoStack& undo, QWidget* parent = nullptr);

    /// The model to choose for. One without experts disables the picker and says so.
    void setModel(const ModelFacts& model);
    /// Nothing can be chosen, for this reason; empty: enabled.
    void setDisabledReason(const QString& reason);
    const QString& policy() const { return m_policy; }
    /// Shows a policy without setting it anywhere.
    void showPolicy(const QString& text);
    /// Policies chosen before, newest first.
    void setRecent(const QStringList& texts);
    /// Why the policy shown does not act yet; nothing: it does.
    void showWaiting(const std::optional<ErrorParts>& waits);
    /// Why the policy that was set was not taken.
    void showRefusal(const ErrorParts& refusal);
    /// Narrow windows leave out what the button says in words.
    void setCompact(bool compact);
    PolicyEditor& editor() { return *m_editor; }

public Q_SLOTS:
    void openEditor();

Q_SIGNALS:
    /// By hand or by undo: takes effect at the next token. While a slider is dragged it comes often.
    void policySet(const QString& text);
    /// One that was chosen, not just passed by while dragging.
    void policyChosen(const QString& text);

private:
    void chooseRule(const QString& name);
    void drag(const QString& text);
    void choose(const QString& text);
    void showNotice();
    void updateTexts();

    QUndoStack& m_undo;
    ModelConfig m_config;
    QString m_policy;
    QString m_before_drag;  // empty: no drag is under way
    QString m_disabled_reason;
    QString m_dense_reason;
    QString m_waits;
    QString m_refusal;
    QString m_notice;  // shown: of the two above the one that matters more
    bool m_compact = false;
    QComboBox* m_rule;
    QToolButton* m_parameters;
    QDialog* m_dialog;
    PolicyEditor* m_editor;
};

}  // namespace mixoscope
