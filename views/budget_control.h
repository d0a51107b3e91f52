// The thinking budget: a logarithmic slider from 0 to unlimited, its number field and "Answer now".
#pragma once

#include <QAbstractSlider>
#include <QSpinBox>
#include <QWheelEvent>
#include <QWidget>

#include "engine/lane_settings.h"

class QLabel;
class QPushButton;
class QUndoStack;

namespace mixoscope {

/// Place of a budget on the slider, 0 … 1: 0 → 0, B ≥ 16 → 0.07 + 0.85·log₂(B/16)/11, unlimited → 1; 1–15 lie evenly in
/// the first 0.07.
double budgetPlace(std::int32_t budget);
/// The budget at a place, rounded to what a hand can mean: whole numbers below 64, steps of 1/32 to 1/64 above.
std::int32_t budgetAtPlace(double place);
/// The next budget when an arrow (quarter octave) or Page key (octave) is pressed.
std::int32_t scaledBudget(std::int32_t budget, double octaves);

class BudgetSlider : public QAbstractSlider {
    Q_OBJECT

public:
    explicit BudgetSlider(QWidget* parent = nullptr);

    std::int32_t budget() const { return m_budget; }
    void setBudget(std::int32_t budget);
    /// N of the turn that is shown; `thinking`: the block is open now.
    void setUsed(std::int32_t thinking_tokens, bool thinking);
    /// Centre of the handle for a budget, in widget coordinates.
    QPoint handleCentre(std::int32_t budget) const;

    QSize sizeHint() const override { return {260, 40}; }
    QSize minimumSizeHint() const override { return {120, 40}; }

Q_SIGNALS:
    /// While the handle is dragged: nothing is set yet.
    void budgetPreviewed(std::int32_t budget);
    /// The handle was let go, or a key was pressed.
    void budgetChosen(std::int32_t budget);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void wheelEvent(QWheelEvent* event) override { event->ignore(); }
    void changeEvent(QEvent* event) override;
    bool event(QEvent* event) override;

private:
    QRectF groove() const;
    double placeAt(double x) const;
    void move(std::int32_t budget);
    void updateTexts();

    std::int32_t m_budget = kUnlimitedBudget;
    std::int32_t m_used = 0;
    std::int32_t m_before_drag = kUnlimitedBudget;
    bool m_thinking = false;
    bool m_dragging = false;
};

/// A number field that says "unlimited" in words.
class BudgetField : public QSpinBox {
    Q_OBJECT

public:
    explicit BudgetField(QWidget* parent = nullptr);
    std::int32_t budget() const;
    void setBudget(std::int32_t budget);

protected:
    QString textFromValue(int value) const override;
    int valueFromText(const QString& text) const override;
    QValidator::State validate(QString& text, int& position) const override;
    void stepBy(int steps) override;
};

class BudgetControl : public QWidget {
    Q_OBJECT

public:
    explicit BudgetControl(QUndoStack& undo, QWidget* parent = nullptr);

    std::int32_t budget() const { return m_budget; }
    /// Shows a budget without setting it anywhere.
    void showBudget(std::int32_t budget);
    void showProgress(std::int32_t thinking_tokens, bool thinking);
    /// An empty reason enables it.
    void setDisabledReason(const QString& reason);
    void setCaptionVisible(bool visible);
    /// The word "tokens" beside the field.
    void setUnitVisible(bool visible);
    BudgetSlider& slider() { return *m_slider; }
    BudgetField& field() { return *m_field; }
    QPushButton& answerNowButton() { return *m_answer_now; }

Q_SIGNALS:
    /// A new budget, by hand or by undo: takes effect at the next token.
    void budgetSet(std::int32_t budget);
    void answerNow();

private:
    void choose(std::int32_t budget);
    void updateTexts();

    QUndoStack& m_undo;
    std::int32_t m_budget = kUnlimitedBudget;
    std::int32_t m_used = 0;
    bool m_thinking = false;
    QString m_disabled_reason;
    QLabel* m_caption;
    BudgetSlider* m_slider;
    BudgetField* m_field;
    QLabel* m_unit;
    QPushButton* m_answer_now;
};

}  // namespace mixoscope
