#include "views/policy_part_form.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QToolButton>
#include <algorithm>

#include "engine/policy_view.h"
#include "views/policy_parameter_row.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

QToolButton* flatButton(const QString& name, const QString& icon, const QString& tip, QWidget* parent) {
    auto* button = new QToolButton(parent);
    button->setObjectName(name);
    button->setProperty("role", u"flat"_s);
    button->setIcon(themedIcon(icon));
    button->setToolTip(tip);
    button->setAccessibleName(tip);
    button->setFocusPolicy(Qt::StrongFocus);
    return button;
}

QLabel* chip(const QString& text, const QString& role, const QString& tip, QWidget* parent) {
    auto* label = new QLabel(text, parent);
    label->setProperty("role", role);
    label->setToolTip(tip);
    return label;
}

}  // namespace

PolicyPartForm::PolicyPartForm(const std::vector<PolicySpec>& specs, const PolicyPart& part, QWidget* parent)
    : QWidget(parent), m_name(QString::fromStdString(part.name)) {
    setObjectName(u"policy_part"_s);
    setAttribute(Qt::WA_StyledBackground);
    const PolicySpec& spec = *std::ranges::find(specs, part.name, &PolicySpec::name);
    m_edits = spec.role == PolicyRole::kEdits;
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(12, 10, 12, 12);
    column->setSpacing(8);
    column->addWidget(makeHeader(specs, spec));
    auto* help = new QLabel(QString::fromStdString(spec.help), this);
    help->setWordWrap(true);
    column->addWidget(help);
    auto* origin = new QLabel(
        tr("Source: %1 · Cost: %2").arg(QString::fromStdString(spec.source), QString::fromStdString(spec.cost)), this);
    origin->setProperty("role", u"caption"_s);
    origin->setWordWrap(true);
    column->addWidget(origin);
    for (const ParameterSpec& parameter : spec.parameters) {
        if (!parameter.scope) column->addWidget(makeRow(parameter, this));
    }
    column->addWidget(makeScopes(spec));
    showPart(part);
}

QWidget* PolicyPartForm::makeHeader(const std::vector<PolicySpec>& specs, const PolicySpec& spec) {
    auto* holder = new QWidget(this);
    auto* row = new QHBoxLayout(holder);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(8);
    auto* rule = new QComboBox(holder);
    rule->setObjectName(u"part_rule"_s);
    rule->setAccessibleName(tr("Rule of this part"));
    rule->setToolTip(tr("Choose another rule for this part"));
    rule->setFont(monoFont());
    for (const PolicySpec& other : specs) {
        if (other.role != spec.role) continue;
        rule->addItem(QString::fromStdString(other.name));
        rule->setItemData(rule->count() - 1, QString::fromStdString(other.help), Qt::ToolTipRole);
    }
    rule->setCurrentText(m_name);
    connect(rule, &QComboBox::textActivated, this, [this](const QString& name) {
        if (name != m_name) Q_EMIT ruleChosen(name);
    });
    row->addWidget(rule);
    row->addWidget(
        m_edits
            ? chip(tr("edits the choice"), u"chip-prompt"_s, tr("All edits that cover a token act together"), holder)
            : chip(tr("chooses"), u"chip-prompt"_s, tr("The first choosing part that covers a token decides"), holder));
    m_sees_later = chip(tr("sees later tokens"), u"chip-warning"_s,
                        tr("A token's experts depend on the other tokens of the same step, later ones too"), holder);
    m_sees_later->setObjectName(u"part_sees_later"_s);
    m_remembers = chip(tr("remembers"), u"chip-prompt"_s, tr("Depends on the lane's earlier tokens"), holder);
    m_remembers->setObjectName(u"part_remembers"_s);
    row->addWidget(m_sees_later);
    row->addWidget(m_remembers);
    showView(RuleView::kRow);
    if (spec.calibrated)
        row->addWidget(chip(tr("takes a calibration"), u"chip-prompt"_s,
                            tr("mixoscope calibrate measures the model on prompts"), holder));
    row->addStretch(1);
    m_up = flatButton(u"part_up"_s, u"chevron-up"_s, tr("Move up: earlier parts decide first"), holder);
    m_down = flatButton(u"part_down"_s, u"chevron-down"_s, tr("Move down: earlier parts decide first"), holder);
    m_remove = flatButton(u"part_remove"_s, u"close"_s, tr("Remove this part"), holder);
    for (QToolButton* button : {m_up, m_down, m_remove}) row->addWidget(button);
    connect(m_up, &QToolButton::clicked, this, [this] { Q_EMIT moveAsked(-1); });
    connect(m_down, &QToolButton::clicked, this, [this] { Q_EMIT moveAsked(1); });
    connect(m_remove, &QToolButton::clicked, this, &PolicyPartForm::removeAsked);
    return holder;
}

QWidget* PolicyPartForm::makeScopes(const PolicySpec& spec) {
    auto* holder = new QWidget(this);
    auto* column = new QVBoxLayout(holder);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(8);
    m_scope_button = new QToolButton(holder);
    m_scope_button->setObjectName(u"part_scope"_s);
    m_scope_button->setProperty("role", u"flat"_s);
    m_scope_button->setCheckable(true);
    m_scope_button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_scope_button->setToolTip(tr("Show in which layers, phases and on which tokens this part acts"));
    m_scopes = new QWidget(holder);
    auto* rows = new QVBoxLayout(m_scopes);
    rows->setContentsMargins(0, 0, 0, 0);
    rows->setSpacing(8);
    for (const ParameterSpec& parameter : spec.parameters) {
        if (parameter.scope) rows->addWidget(makeRow(parameter, m_scopes));
    }
    column->addWidget(m_scope_button, 0, Qt::AlignLeft);
    column->addWidget(m_scopes);
    connect(m_scope_button, &QToolButton::toggled, this, &PolicyPartForm::showScopes);
    return holder;
}

PolicyParameterRow* PolicyPartForm::makeRow(const ParameterSpec& spec, QWidget* parent) {
    auto* row = new PolicyParameterRow(spec, parent);
    m_rows.push_back(row);
    connect(row, &PolicyParameterRow::dragged, this, &PolicyPartForm::dragged);
    connect(row, &PolicyParameterRow::edited, this, [this] {
        showScopes();
        Q_EMIT edited();
    });
    return row;
}

void PolicyPartForm::showScopes() {
    QStringList limits;
    for (const PolicyParameterRow* row : m_rows) {
        if (row->spec().scope && row->value().toStdString() != row->spec().default_value)
            limits << u"%1 %2"_s.arg(QString::fromStdString(row->spec().key), row->value());
    }
    m_scope_button->setText(limits.isEmpty() ? tr("Acts everywhere") : tr("Acts on %1").arg(limits.join(u", "_s)));
    m_scope_button->setIcon(themedIcon(m_scope_button->isChecked() ? u"chevron-down"_s : u"chevron-right"_s));
    m_scopes->setVisible(m_scope_button->isChecked());
}

PolicyPart PolicyPartForm::part() const {
    PolicyPart part{.name = m_name.toStdString(), .values = {}};
    for (const PolicyParameterRow* row : m_rows) {
        const std::string value = row->value().toStdString();
        if (value != row->spec().default_value || value.empty())
            part.values.push_back({.key = row->spec().key, .text = value});
    }
    return part;
}

void PolicyPartForm::showPart(const PolicyPart& part) {
    bool limited = false;
    for (PolicyParameterRow* row : m_rows) {
        const auto given = std::ranges::find(part.values, row->spec().key, &PolicyPart::Value::key);
        const std::string& value = given == part.values.end() ? row->spec().default_value : given->text;
        row->showValue(QString::fromStdString(value));
        limited = limited || (row->spec().scope && value != row->spec().default_value);
    }
    if (limited) m_scope_button->setChecked(true);
    showScopes();
}

void PolicyPartForm::showView(RuleView view) {
    m_sees_later->setVisible(!isCausal(view));
    m_remembers->setVisible(view == RuleView::kHistory);
}

bool PolicyPartForm::showError(const QString& key, const QString& message) {
    PolicyParameterRow* at = row(key);
    if (at == nullptr) return false;
    at->showError(message);
    if (at->spec().scope) m_scope_button->setChecked(true);
    return true;
}

void PolicyPartForm::setMovable(bool up, bool down, bool removable) {
    m_up->setVisible(up || down);
    m_down->setVisible(up || down);
    m_up->setEnabled(up);
    m_down->setEnabled(down);
    m_remove->setVisible(removable);
}

PolicyParameterRow* PolicyPartForm::row(const QString& key) const {
    for (PolicyParameterRow* row : m_rows) {
        if (row->spec().key == key.toStdString()) return row;
    }
    return nullptr;
}

}  // namespace mixoscope
