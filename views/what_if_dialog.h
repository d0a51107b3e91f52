// What is to be otherwise from a token on: its routing, the policy, the budget, the seed, the token itself. Shows what
// that means at the token before anything runs.
#pragma once

#include <QDialog>
#include <functional>
#include <vector>

#include "views/fork_point.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QRadioButton;
class QToolButton;
class QVBoxLayout;

namespace mixoscope {

class BudgetField;

/// One edit of the token's routing: ban or force, in which layer, which expert.
class RoutingEditRow : public QWidget {
    Q_OBJECT

public:
    RoutingEditRow(const ForkPoint& point, const RoutingEdit& edit, QWidget* parent = nullptr);
    RoutingEdit edit() const;

Q_SIGNALS:
    void edited();
    void removeAsked();

private:
    void fillExperts();

    const ForkPoint& m_point;
    QComboBox* m_kind;
    QComboBox* m_layer;
    QComboBox* m_expert;
};

class WhatIfDialog : public QDialog {
    Q_OBJECT

public:
    /// Ids of a text.
    using Tokens = std::function<std::vector<TokenId>(const QString& text)>;
    explicit WhatIfDialog(Tokens tokens, QWidget* parent = nullptr);

    /// Begins anew at this token. `edit`: the one to begin with, if its routing is known.
    void setPoint(const ForkPoint& point, const std::optional<RoutingEdit>& edit);
    const ForkPoint& point() const { return m_point; }
    ForkChanges changes() const;
    /// Why it cannot be run as it is; empty: it can.
    QString problem() const;
    /// It was asked for and is not there yet, or was refused for this reason.
    void showWaiting();
    void showRefusal(const ErrorParts& refusal);
    /// Something else runs; empty: nothing.
    void setBusy(const QString& reason);

Q_SIGNALS:
    void forkAsked();

protected:
    bool event(QEvent* event) override;

private:
    QWidget* makeFrom();
    QWidget* makeEdits();
    QWidget* makeOthers();
    QWidget* makePreview();
    QWidget* makeButtons();
    void addEdit(const RoutingEdit& edit);
    RoutingEdit nextEdit() const;
    void showPoint();
    void preview();
    QString tokenProblem() const;
    QString sharingText(const ForkChanges& changes) const;

    Tokens m_tokens;
    ForkPoint m_point;
    QString m_busy;
    QString m_refusal;
    bool m_waiting = false;
    bool m_showing = false;  // values are being shown, nobody changes them

    QLabel* m_token = nullptr;
    QLabel* m_place = nullptr;
    QWidget* m_edits = nullptr;
    QVBoxLayout* m_edit_rows = nullptr;
    std::vector<RoutingEditRow*> m_rows;
    QToolButton* m_add = nullptr;
    QLabel* m_no_edits = nullptr;
    QRadioButton* m_here = nullptr;
    QRadioButton* m_from_here = nullptr;
    QCheckBox* m_other_policy = nullptr;
    QLineEdit* m_policy = nullptr;
    QToolButton* m_policy_form = nullptr;
    QCheckBox* m_other_budget = nullptr;
    BudgetField* m_budget = nullptr;
    QCheckBox* m_other_token = nullptr;
    QLineEdit* m_token_text = nullptr;
    QLabel* m_token_ids = nullptr;
    QCheckBox* m_other_seed = nullptr;
    QLineEdit* m_seed = nullptr;
    QLabel* m_policy_text = nullptr;
    QLabel* m_effect = nullptr;
    QLabel* m_sharing = nullptr;
    QLabel* m_error = nullptr;
    QPushButton* m_fork = nullptr;
};

}  // namespace mixoscope
