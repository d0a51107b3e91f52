// One policy of an experiment that is being edited: its text, checked while it is written, and the form.
#pragma once

#include <QWidget>
#include <memory>

#include "sessions/workbench.h"

class QLabel;
class QLineEdit;
class QToolButton;

namespace mixoscope {

class ExperimentPolicyRow : public QWidget {
    Q_OBJECT

public:
    explicit ExperimentPolicyRow(QWidget* parent = nullptr);

    /// `index` in the list: gives colour and marker; the first is the baseline.
    void setIndex(std::size_t index, bool can_remove);
    /// Against which the text is checked; null: it cannot be.
    void setModel(const std::shared_ptr<const ModelFacts>& model);
    void setPolicy(const QString& text);
    QString policy() const;
    /// Why it is none; empty: it is one, or cannot be checked.
    const QString& problem() const { return m_problem; }
    void setTwice(bool twice);
    QLineEdit& field() { return *m_text; }

Q_SIGNALS:
    void changed();
    void removeAsked();

protected:
    void changeEvent(QEvent* event) override;

private:
    void check();
    void openForm();
    void paintMarker();

    std::shared_ptr<const ModelFacts> m_model;
    std::size_t m_index = 0;
    bool m_twice = false;
    QString m_problem;
    QLabel* m_marker;
    QLineEdit* m_text;
    QToolButton* m_form;
    QToolButton* m_remove;
    QLabel* m_error;
};

}  // namespace mixoscope
