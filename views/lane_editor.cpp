#include "views/lane_editor.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRegularExpressionValidator>
#include <QScrollArea>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/routing_policy.h"
#include "views/budget_control.h"
#include "views/field_caption.h"
#include "views/lane_header.h"
#include "views/lane_style.h"
#include "views/policy_editor.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kFieldHeight = 28;

/// A caption above its field.
QVBoxLayout* captioned(const QString& caption, QWidget* field, QWidget* parent) {
    auto* column = new QVBoxLayout;
    column->setSpacing(3);
    column->addWidget(makeFieldCaption(caption, field, parent));
    column->addWidget(field);
    return column;
}

}  // namespace

LaneForm::LaneForm(QWidget* parent)
    : QWidget(parent),
      m_letter(new QLabel(this)),
      m_policy(new QLineEdit(this)),
      m_parameters(new QToolButton(this)),
      m_error(new QLabel(this)),
      m_budget(new BudgetField(this)),
      m_mode(new QComboBox(this)),
      m_greedy(new QCheckBox(tr("Greedy"), this)),
      m_temperature(new QDoubleSpinBox(this)),
      m_seed(new QLineEdit(this)),
      m_remove(new QToolButton(this)) {
    m_letter->setFont(textFont(font_size::kChat, QFont::DemiBold));
    m_letter->setFixedWidth(20);
    m_policy->setObjectName(u"lane_policy_field"_s);
    m_policy->setFont(monoFont());
    m_policy->setMinimumWidth(260);
    m_policy->setToolTip(tr("Write the lane's routing policy, such as top-k:k=1,capacity=1.25 (Enter takes it)"));
    m_parameters->setObjectName(u"lane_policy_parameters"_s);
    m_parameters->setIcon(themedIcon(u"settings"_s));
    m_parameters->setToolTip(tr("Choose the policy and its parameters in a form"));
    m_parameters->setAccessibleName(tr("Policy as a form"));
    m_error->setObjectName(u"lane_policy_error"_s);
    m_error->setProperty("role", u"chip-error"_s);
    m_error->setWordWrap(true);
    m_error->hide();
    m_budget->setObjectName(u"lane_budget"_s);
    m_budget->setFixedWidth(110);
    m_budget->setToolTip(tr("Set the thinking budget B of this lane"));
    m_mode->setObjectName(u"lane_mode"_s);
    for (const ThinkingMode mode : {ThinkingMode::kThink, ThinkingMode::kNoThink, ThinkingMode::kAuto})
        m_mode->addItem(modeText(mode), static_cast<int>(mode));
    m_mode->setToolTip(tr("Choose how the lane's turn begins; acts at the next run"));
    m_greedy->setObjectName(u"lane_greedy"_s);
    m_greedy->setToolTip(tr("Take always the likeliest token: then lanes differ by their settings alone"));
    m_temperature->setObjectName(u"lane_temperature"_s);
    m_temperature->setRange(0.01, 5.0);
    m_temperature->setSingleStep(0.05);
    m_temperature->setDecimals(2);
    m_temperature->setLocale(QLocale::c());
    m_temperature->setKeyboardTracking(false);
    m_temperature->setFixedWidth(76);
    m_seed->setObjectName(u"lane_seed"_s);
    m_seed->setValidator(new QRegularExpressionValidator(QRegularExpression(u"[0-9]{1,19}"_s), m_seed));
    m_seed->setFixedWidth(76);
    m_seed->setToolTip(tr("The same seed, settings and text give the same tokens"));
    m_remove->setObjectName(u"lane_form_remove"_s);
    m_remove->setProperty("role", u"flat"_s);
    m_remove->setIcon(themedIcon(u"close"_s));
    m_remove->setAccessibleName(tr("Remove this lane"));

    // What is no field is as high as one, so that all stand on one line.
    for (QWidget* beside : std::initializer_list<QWidget*>{m_letter, m_greedy}) beside->setFixedHeight(kFieldHeight);
    auto* row = new QHBoxLayout;
    row->setSpacing(10);
    row->addWidget(m_letter, 0, Qt::AlignBottom);
    row->addLayout(captioned(tr("Policy"), m_policy, this), 1);
    row->addWidget(m_parameters, 0, Qt::AlignBottom);
    row->addLayout(captioned(tr("Budget B"), m_budget, this));
    row->addLayout(captioned(tr("Mode"), m_mode, this));
    row->addLayout(captioned(tr("Sampling"), m_greedy, this));
    row->addLayout(captioned(tr("Temperature"), m_temperature, this));
    row->addLayout(captioned(tr("Seed"), m_seed, this));
    row->addWidget(m_remove, 0, Qt::AlignBottom);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 4, 0, 8);
    column->setSpacing(4);
    column->addLayout(row);
    column->addWidget(m_error);

    connect(m_policy, &QLineEdit::textChanged, this, &LaneForm::checkPolicy);
    connect(m_policy, &QLineEdit::editingFinished, this, &LaneForm::announce);
    connect(m_budget, &QSpinBox::valueChanged, this, &LaneForm::announce);
    connect(m_mode, &QComboBox::currentIndexChanged, this, &LaneForm::announce);
    connect(m_greedy, &QCheckBox::toggled, this, &LaneForm::announce);
    connect(m_temperature, &QDoubleSpinBox::valueChanged, this, &LaneForm::announce);
    connect(m_seed, &QLineEdit::editingFinished, this, &LaneForm::announce);
    connect(m_parameters, &QToolButton::clicked, this, &LaneForm::openForm);
    connect(m_remove, &QToolButton::clicked, this, &LaneForm::removeAsked);
}

void LaneForm::setModel(const std::shared_ptr<const ModelFacts>& model) {
    if (model == m_model) return;
    m_model = model;
    checkPolicy();
}

void LaneForm::showLane(const ComparedLane& lane, bool is_base, bool can_remove) {
    m_showing = true;
    const bool other = m_tag != lane.origin.tag;
    if (other) {
        m_tag = lane.origin.tag;
        setObjectName(u"lane_form_"_s + laneLetter(m_tag));
        m_letter->setText(laneLetter(m_tag));
        m_letter->setToolTip(is_base ? tr("The baseline") : tr("Compared with the baseline"));
        QPalette coloured = m_letter->palette();
        coloured.setColor(QPalette::WindowText, laneColour(m_tag));
        m_letter->setPalette(coloured);
    }
    m_settings = lane.settings;
    const QString policy = QString::fromStdString(lane.settings.policy);
    // What is being written, or is no policy yet, stays until it is put right.
    const bool kept = !other && (m_policy->hasFocus() || lane.error || refusal());
    if (!kept && m_policy->text() != policy) m_policy->setText(policy);
    if (!m_budget->hasFocus()) m_budget->setBudget(lane.settings.budget);
    m_mode->setCurrentIndex(m_mode->findData(static_cast<int>(lane.settings.mode)));
    m_greedy->setChecked(lane.settings.sampling.greedy);
    if (!m_temperature->hasFocus()) m_temperature->setValue(static_cast<double>(lane.settings.sampling.temperature));
    if (!m_seed->hasFocus()) m_seed->setText(QString::number(lane.settings.sampling.seed));
    for (QWidget* field : std::initializer_list<QWidget*>{m_temperature, m_seed})
        field->setEnabled(!lane.settings.sampling.greedy);
    m_temperature->setToolTip(lane.settings.sampling.greedy
                                  ? tr("Greedy lanes draw nothing")
                                  : tr("Flatten (above 1) or sharpen (below 1) the distribution"));
    m_remove->setEnabled(can_remove);
    m_remove->setToolTip(can_remove ? tr("Remove this lane") : tr("A comparison has at least two lanes"));
    m_lane_error = lane.error;
    m_showing = false;
    checkPolicy();
}

std::optional<QString> LaneForm::refusal() const {
    if (m_model == nullptr) return std::nullopt;
    try {
        parsePolicy(m_policy->text().toStdString(), *m_model);
        return std::nullopt;
    } catch (const Error& error) {
        return policyErrorText(error.parts());
    }
}

QString LaneForm::policyError() const {
    return m_error->isHidden() ? QString() : m_error->text();
}

void LaneForm::checkPolicy() {
    std::optional<QString> wrong = refusal();
    if (!wrong && m_lane_error) wrong = policyErrorText(*m_lane_error);
    m_error->setVisible(wrong.has_value());
    if (wrong) m_error->setText(*wrong);
}

void LaneForm::openForm() {
    if (m_model == nullptr) return;
    openPolicyForm(this, tr("Routing policy of lane %1").arg(laneLetter(m_tag)), *m_model,
                   QString::fromStdString(m_settings.policy), [this](const QString& text) {
                       m_policy->setText(text);
                       announce();
                   });
}

void LaneForm::announce() {
    if (m_showing) return;
    LaneSettings settings = m_settings;
    settings.budget = m_budget->budget();
    settings.mode = static_cast<ThinkingMode>(m_mode->currentData().toInt());
    settings.sampling.greedy = m_greedy->isChecked();
    settings.sampling.temperature = static_cast<float>(m_temperature->value());
    settings.sampling.seed = m_seed->text().toULongLong();
    // What is no policy is not set; the field says why.
    if (!refusal()) settings.policy = m_policy->text().toStdString();
    if (settings == m_settings) return;
    m_settings = settings;
    m_lane_error.reset();
    Q_EMIT settingsChanged(settings);
}

LaneEditor::LaneEditor(QWidget* parent) : QDialog(parent), m_rows(new QVBoxLayout), m_add(new QPushButton(this)) {
    setObjectName(u"lane_editor"_s);
    setWindowTitle(tr("Lanes of the comparison"));
    auto* intro =
        new QLabel(tr("Changes act at once: at the next token of a lane that runs, mode at the next run."), this);
    intro->setProperty("role", u"muted"_s);
    auto* rows = new QWidget(this);
    rows->setLayout(m_rows);
    m_rows->setContentsMargins(0, 0, 12, 0);
    m_rows->setSpacing(2);
    m_rows->addStretch(1);
    auto* area = new QScrollArea(this);
    area->setWidget(rows);
    area->setWidgetResizable(true);
    area->setFrameShape(QFrame::NoFrame);
    area->setFocusPolicy(Qt::NoFocus);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_add->setObjectName(u"lane_editor_add"_s);
    m_add->setText(tr("Add a lane"));
    m_add->setIcon(themedIcon(u"plus"_s));
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    auto* below = new QHBoxLayout;
    below->addWidget(m_add);
    below->addStretch(1);
    below->addWidget(buttons);
    auto* column = new QVBoxLayout(this);
    column->setSpacing(8);
    column->addWidget(intro);
    column->addWidget(area, 1);
    column->addLayout(below);
    connect(m_add, &QPushButton::clicked, this, &LaneEditor::addAsked);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    // Enter in a field takes the field's value; it must press no button.
    for (QPushButton* button : findChildren<QPushButton*>()) button->setAutoDefault(false);
    resize(880, 360);
}

void LaneEditor::showSnapshot(const WorkbenchSnapshot& snapshot) {
    const std::size_t lanes = snapshot.comparison ? snapshot.comparison->lanes.size() : 0;
    while (m_forms.size() > lanes) {
        m_forms.back()->hide();
        m_forms.back()->deleteLater();  // it may be the one whose button was pressed
        m_forms.pop_back();
    }
    while (m_forms.size() < lanes) {
        const int index = static_cast<int>(m_forms.size());
        auto* form = new LaneForm(this);
        connect(form, &LaneForm::settingsChanged, this,
                [this, index](const LaneSettings& settings) { Q_EMIT laneChanged(index, settings); });
        connect(form, &LaneForm::removeAsked, this, [this, index] { Q_EMIT removeAsked(index); });
        m_rows->insertWidget(index, form);
        m_forms.push_back(form);
    }
    for (std::size_t index = 0; index < lanes; ++index) {
        m_forms[index]->setModel(snapshot.model);
        m_forms[index]->showLane(snapshot.comparison->lanes[index], index == 0, lanes > kFewestComparedLanes);
    }
    m_add->setEnabled(lanes < kMostComparedLanes);
    m_add->setToolTip(lanes < kMostComparedLanes ? tr("Add a lane; one that is added while others run joins late")
                                                 : tr("A comparison has at most eight lanes"));
}

void LaneEditor::focusLane(int index) {
    if (index < 0 || static_cast<std::size_t>(index) >= m_forms.size()) return;
    QLineEdit& policy = m_forms[static_cast<std::size_t>(index)]->policy();
    policy.setFocus();
    policy.selectAll();
}

}  // namespace mixoscope
