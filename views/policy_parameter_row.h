// One parameter of a policy, generated from its description: key, control, help, and what is wrong with the value.
#pragma once

#include <QWidget>
#include <functional>
#include <vector>

#include "engine/routing_policy.h"

class QLabel;
class QLineEdit;
class QSlider;

namespace mixoscope {

/// Steps of a slider ↔ values of a number; logarithmic where the range spans orders of magnitude.
class ParameterScale {
public:
    explicit ParameterScale(const ParameterSpec& spec);
    /// Whether there is a range that one would drag through: a seed has none.
    static bool suits(const ParameterSpec& spec);
    int steps() const { return m_steps; }
    /// As it is written, rounded to what a step can tell apart.
    QString textAt(int step) const;
    /// The step nearest to a value.
    int stepFor(double value) const;

private:
    double m_minimum;
    double m_maximum;
    double m_low = 0.0;  // of a logarithmic scale: the value at step 1; step 0 is the minimum
    bool m_whole;
    bool m_logarithmic = false;
    int m_steps = 0;
};

class PolicyParameterRow : public QWidget {
    Q_OBJECT

public:
    explicit PolicyParameterRow(const ParameterSpec& spec, QWidget* parent = nullptr);

    const ParameterSpec& spec() const { return m_spec; }
    /// As written, valid or not.
    QString value() const;
    /// Shows a value without announcing it.
    void showValue(const QString& value);
    /// Below the control, until the value changes; empty: nothing is wrong.
    void showError(const QString& message);

Q_SIGNALS:
    /// A slider is under way.
    void dragged();
    /// The value was set, valid or not.
    void edited();

private:
    QWidget* makeField();
    QWidget* makeSlider();
    QWidget* makeChoice();
    QWidget* makeChoices();
    QWidget* makeFileButton();
    void setByHand(const QString& value);
    void checkValue();

    ParameterSpec m_spec;
    QLineEdit* m_field = nullptr;
    QSlider* m_slider = nullptr;
    QLabel* m_error = nullptr;
    std::function<QString()> m_read;
    std::function<void(const QString&)> m_write;
    QString m_known;  // the value announced or shown last
};

}  // namespace mixoscope
