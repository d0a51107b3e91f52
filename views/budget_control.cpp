#include "views/budget_control.h"

#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QUndoCommand>
#include <QUndoStack>
#include <algorithm>
#include <functional>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kFieldLargest = 1'000'000;
constexpr int kFieldUnlimited = kFieldLargest + 1;  // the field's value for "unlimited"

/// One change of the budget; the first redo is the change itself.
class BudgetCommand : public QUndoCommand {
public:
    BudgetCommand(std::int32_t before, std::int32_t after, std::function<void(std::int32_t)> apply)
        : QUndoCommand(QObject::tr("thinking budget %1").arg(format::budget(after))),
          m_before(before),
          m_after(after),
          m_apply(std::move(apply)) {}
    void undo() override { m_apply(m_before); }
    void redo() override { m_apply(m_after); }

private:
    std::int32_t m_before;
    std::int32_t m_after;
    std::function<void(std::int32_t)> m_apply;
};

}  // namespace

BudgetField::BudgetField(QWidget* parent) : QSpinBox(parent) {
    setObjectName(u"budget_field"_s);
    setAccessibleName(tr("Thinking budget in tokens"));
    setRange(0, kFieldUnlimited);
    setKeyboardTracking(false);
    setFont(monoFont(font_size::kTable));
    setValue(kFieldUnlimited);
}

std::int32_t BudgetField::budget() const {
    return value() == kFieldUnlimited ? kUnlimitedBudget : value();
}

void BudgetField::setBudget(std::int32_t budget) {
    const QSignalBlocker blocker(this);
    setValue(budget == kUnlimitedBudget ? kFieldUnlimited : std::min(budget, kFieldLargest));
}

QString BudgetField::textFromValue(int value) const {
    return value == kFieldUnlimited ? tr("unlimited") : format::count(value);
}

int BudgetField::valueFromText(const QString& text) const {
    QString digits = text.trimmed();
    if (digits.isEmpty() || digits == u"∞"_s || tr("unlimited").startsWith(digits, Qt::CaseInsensitive))
        return kFieldUnlimited;
    return std::min(digits.remove(u',').toInt(), kFieldLargest);
}

QValidator::State BudgetField::validate(QString& text, int&) const {
    QString digits = text.trimmed();
    if (digits.isEmpty()) return QValidator::Intermediate;
    if (digits == u"∞"_s || digits.compare(tr("unlimited"), Qt::CaseInsensitive) == 0) return QValidator::Acceptable;
    if (tr("unlimited").startsWith(digits, Qt::CaseInsensitive)) return QValidator::Intermediate;
    bool number = false;
    const int value = digits.remove(u',').toInt(&number);
    return number && value >= 0 && value <= kFieldLargest ? QValidator::Acceptable : QValidator::Invalid;
}

void BudgetField::stepBy(int steps) {
    std::int32_t next = budget();
    for (int i = 0; i < std::abs(steps); ++i) next = scaledBudget(next, steps > 0 ? 0.25 : -0.25);
    setValue(next == kUnlimitedBudget ? kFieldUnlimited : next);
}

BudgetControl::BudgetControl(QUndoStack& undo, QWidget* parent)
    : QWidget(parent),
      m_undo(undo),
      m_caption(new QLabel(this)),
      m_slider(new BudgetSlider(this)),
      m_field(new BudgetField(this)),
      m_unit(new QLabel(tr("tokens"), this)),
      m_answer_now(new QPushButton(tr("Answer now"), this)) {
    setObjectName(u"budget_control"_s);
    m_caption->setProperty("role", u"caption"_s);
    m_caption->setFixedHeight(16);
    m_slider->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_slider->setFixedHeight(36);
    m_field->setFixedWidth(112);
    m_answer_now->setObjectName(u"answer_now"_s);
    m_answer_now->setProperty("role", u"thinking"_s);
    m_answer_now->setEnabled(false);

    m_unit->setProperty("role", u"muted"_s);
    m_unit->setFixedHeight(28);
    auto* grid = new QGridLayout(this);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(8);
    grid->setVerticalSpacing(3);
    grid->setRowStretch(0, 1);
    grid->addWidget(m_caption, 1, 0);
    int column = 0;
    for (QWidget* widget : std::initializer_list<QWidget*>{m_slider, m_field, m_unit, m_answer_now}) {
        grid->addWidget(widget, 2, column++, widget == m_slider ? Qt::Alignment() : Qt::AlignTop);
    }
    grid->setColumnStretch(0, 1);
    grid->setRowStretch(3, 1);

    connect(m_slider, &BudgetSlider::budgetPreviewed, this,
            [this](std::int32_t budget) { m_field->setBudget(budget); });
    connect(m_slider, &BudgetSlider::budgetChosen, this, &BudgetControl::choose);
    connect(m_field, &QSpinBox::valueChanged, this, [this] { choose(m_field->budget()); });
    connect(m_answer_now, &QPushButton::clicked, this, &BudgetControl::answerNow);
    updateTexts();
}

void BudgetControl::choose(std::int32_t budget) {
    if (budget == m_budget) return showBudget(budget);
    m_undo.push(new BudgetCommand(m_budget, budget, [this](std::int32_t value) {
        showBudget(value);
        Q_EMIT budgetSet(value);
    }));
}

void BudgetControl::showBudget(std::int32_t budget) {
    m_budget = budget;
    m_slider->setBudget(budget);
    if (!m_field->hasFocus() || m_field->budget() != budget) m_field->setBudget(budget);
    updateTexts();
}

void BudgetControl::showProgress(std::int32_t thinking_tokens, bool thinking) {
    if (thinking_tokens == m_used && thinking == m_thinking) return;
    m_used = thinking_tokens;
    m_thinking = thinking;
    m_slider->setUsed(thinking_tokens, thinking);
    updateTexts();
}

void BudgetControl::setDisabledReason(const QString& reason) {
    m_disabled_reason = reason;
    m_slider->setEnabled(reason.isEmpty());
    m_field->setEnabled(reason.isEmpty());
    updateTexts();
}

void BudgetControl::setCaptionVisible(bool visible) {
    m_caption->setVisible(visible);
}

void BudgetControl::setUnitVisible(bool visible) {
    m_unit->setVisible(visible);
}

void BudgetControl::updateTexts() {
    const bool usable = m_disabled_reason.isEmpty();
    m_caption->setText(m_used > 0 ? tr("Thinking budget · %1 used").arg(format::count(m_used)) : tr("Thinking budget"));
    QString tip = m_disabled_reason;
    if (usable) {
        tip = m_thinking && m_budget <= m_used
                  ? tr("Closes at the next token")
                  : tr("Set how many tokens the model may think; acts at the next token (arrows, Page, Home, End)");
    }
    m_slider->setToolTip(tip);
    m_field->setToolTip(usable ? tr("Type a number of tokens, or “unlimited”") : m_disabled_reason);
    m_answer_now->setEnabled(m_thinking);
    m_answer_now->setToolTip(m_thinking ? tr("Close the thinking block and answer now (Ctrl+.)")
                                        : tr("Only while a thinking block is open (Ctrl+.)"));
}

}  // namespace mixoscope
