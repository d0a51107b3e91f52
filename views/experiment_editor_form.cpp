// How the form of an experiment is built.
#include <QCheckBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QPushButton>
#include <QSpinBox>
#include <QVBoxLayout>
#include <limits>

#include "views/experiment_editor.h"
#include "views/experiment_policy_row.h"
#include "views/field_caption.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kNarrowestNumber = 76;

QLabel* section(const QString& text, QWidget* parent) {
    auto* label = new QLabel(text, parent);
    label->setProperty("role", u"section"_s);
    return label;
}

}  // namespace

QLabel* ExperimentEditor::makeError(const QString& name) {
    auto* label = new QLabel(m_form);
    label->setObjectName(name);
    label->setProperty("role", u"chip-error"_s);
    label->setWordWrap(true);
    label->hide();
    return label;
}

ExperimentEditor::ListField ExperimentEditor::makeListField(QVBoxLayout& column, const QString& name,
                                                            const QString& title, const QString& tip) {
    ListField list{.field = new QLineEdit(m_form), .error = makeError(name + u"_error"_s)};
    list.field->setObjectName(name);
    list.field->setFont(monoFont(font_size::kCaption));
    list.field->setToolTip(tip);
    list.field->setAccessibleName(title);
    column.addWidget(section(title, m_form));
    column.addWidget(list.field);
    column.addWidget(list.error);
    connect(list.field, &QLineEdit::textChanged, this, &ExperimentEditor::touch);
    return list;
}

void ExperimentEditor::makeForm(QVBoxLayout& column) {
    m_name = new QLineEdit(m_form);
    m_name->setObjectName(u"experiment_name"_s);
    m_name->setToolTip(tr("Name the experiment: its file and the folder of its results"));
    m_model = new QLineEdit(m_form);
    m_model->setObjectName(u"experiment_model"_s);
    m_model->setToolTip(tr("Name the model: demo, demo-top1, demo-any, or a Hugging Face directory"));
    auto* names = new QGridLayout;
    names->setHorizontalSpacing(6);
    names->setVerticalSpacing(3);
    names->addWidget(makeFieldCaption(tr("Name"), m_name, m_form), 0, 0);
    names->addWidget(makeFieldCaption(tr("Model"), m_model, m_form), 0, 1);
    names->addWidget(m_name, 1, 0);
    names->addWidget(m_model, 1, 1);
    column.addLayout(names);

    column.addWidget(section(tr("Tasks"), m_form));
    m_task_rows = new QVBoxLayout;
    column.addLayout(m_task_rows);
    m_add_task = new QPushButton(tr("Add a task…"), m_form);
    m_add_task->setObjectName(u"experiment_add_task"_s);
    m_add_task->setProperty("role", u"link"_s);
    m_add_task->setToolTip(tr("Add one of the embedded model's sets, or a file of your own"));
    column.addWidget(m_add_task, 0, Qt::AlignLeft);

    column.addWidget(section(tr("Policies, the first is the baseline"), m_form));
    m_policy_rows = new QVBoxLayout;
    m_policy_rows->setSpacing(4);
    column.addLayout(m_policy_rows);
    auto* add_policy = new QPushButton(tr("Add a policy"), m_form);
    add_policy->setObjectName(u"experiment_add_policy"_s);
    add_policy->setProperty("role", u"link"_s);
    add_policy->setToolTip(tr("Add a routing policy that is compared with the first"));
    column.addWidget(add_policy, 0, Qt::AlignLeft);

    m_budgets = makeListField(column, u"experiment_budgets"_s, tr("Budgets (tokens)"),
                              tr("List thinking budgets, such as 0, 64, 256, unlimited"));
    column.addWidget(section(tr("Modes"), m_form));
    auto* modes = new QHBoxLayout;
    m_think = new QCheckBox(tr("think"), m_form);
    m_think->setObjectName(u"experiment_think"_s);
    m_think->setToolTip(tr("Run with thinking, under each budget"));
    m_no_think = new QCheckBox(tr("no think"), m_form);
    m_no_think->setObjectName(u"experiment_no_think"_s);
    m_no_think->setToolTip(tr("Run without thinking; budgets do not matter then"));
    m_soft_switch = new QCheckBox(tr("write /think, /no_think"), m_form);
    m_soft_switch->setObjectName(u"experiment_soft_switch"_s);
    m_soft_switch->setToolTip(tr("Append the soft switch to each prompt, as the demo model was taught"));
    modes->addWidget(m_think);
    modes->addWidget(m_no_think);
    modes->addStretch(1);
    column.addLayout(modes);
    column.addWidget(m_soft_switch);
    m_mode_error = makeError(u"experiment_mode_error"_s);
    column.addWidget(m_mode_error);
    m_samplings = makeListField(column, u"experiment_samplings"_s, tr("Sampling"),
                                tr("List samplings: greedy; default; temperature=0.7, top_p=0.9, top_k=20, min_p=0"));
    m_seeds = makeListField(column, u"experiment_seeds"_s, tr("Seeds"),
                            tr("List seeds of the draws, such as 0, 1, 2; greedy decoding uses none"));
    m_lanes =
        makeListField(column, u"experiment_lanes"_s, tr("Runs in a batch"),
                      tr("Run so many at once, such as 8; several (1, 2, 4, 8) are compared. Answers do not depend "
                         "on it, times do"));
    m_max_tokens = new QSpinBox(m_form);
    m_max_tokens->setObjectName(u"experiment_max_tokens"_s);
    m_max_tokens->setRange(0, std::numeric_limits<int>::max());
    m_max_tokens->setSpecialValueText(tr("context"));
    m_max_tokens->setMinimumWidth(kNarrowestNumber);  // not that of its largest value
    m_max_tokens->setToolTip(tr("End a run after so many tokens; 0: as many as the context holds"));
    auto* limits = new QGridLayout;
    limits->setHorizontalSpacing(6);
    limits->setVerticalSpacing(3);
    limits->addWidget(makeFieldCaption(tr("Token limit of a run"), m_max_tokens, m_form), 0, 0);
    limits->addWidget(m_max_tokens, 1, 0);
    column.addLayout(limits);

    for (QLineEdit* field : {m_name, m_model}) connect(field, &QLineEdit::textChanged, this, &ExperimentEditor::touch);
    for (QCheckBox* box : {m_think, m_no_think, m_soft_switch})
        connect(box, &QCheckBox::toggled, this, &ExperimentEditor::touch);
    connect(m_max_tokens, &QSpinBox::valueChanged, this, &ExperimentEditor::touch);
    connect(add_policy, &QPushButton::clicked, this, [this] {
        addPolicy({});
        m_policies.back()->field().setFocus();
        touch();
    });
    m_add_task->setMenu(new QMenu(m_add_task));
    fillTaskMenu();
}

void ExperimentEditor::makeButtons(QVBoxLayout& column) {
    auto* foot = new QWidget(this);
    auto* rows = new QVBoxLayout(foot);
    rows->setContentsMargins(10, 6, 10, 8);
    rows->setSpacing(6);
    m_totals = new QLabel(foot);
    m_totals->setObjectName(u"experiment_totals"_s);
    m_totals->setFont(monoFont(font_size::kCaption));
    m_totals->setWordWrap(true);
    m_totals->setMinimumHeight(3 * m_totals->fontMetrics().lineSpacing());
    m_totals->setAlignment(Qt::AlignLeft | Qt::AlignBottom);
    m_use = new QPushButton(tr("Use it"), foot);
    m_use->setObjectName(u"experiment_use"_s);
    m_use->setProperty("role", u"primary"_s);
    m_save = new QPushButton(tr("Save…"), foot);
    m_save->setObjectName(u"experiment_save"_s);
    m_undo = new QPushButton(tr("Revert"), foot);
    m_undo->setObjectName(u"experiment_revert"_s);
    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(6);
    buttons->addWidget(m_use);
    buttons->addWidget(m_save);
    buttons->addWidget(m_undo);
    buttons->addStretch(1);
    m_problem = new QLabel(foot);
    m_problem->setObjectName(u"experiment_problem"_s);
    m_problem->setProperty("role", u"chip-error"_s);
    m_problem->setWordWrap(true);
    m_problem->hide();
    rows->addWidget(m_problem);
    rows->addWidget(m_totals);
    rows->addLayout(buttons);
    column.addWidget(foot);
    connect(m_use, &QPushButton::clicked, this, [this] {
        if (const auto written = experiment()) {
            m_changed = false;
            Q_EMIT useAsked(*written);
        }
    });
    connect(m_save, &QPushButton::clicked, this, [this] {
        if (const auto written = experiment()) Q_EMIT saveAsked(*written);
    });
    connect(m_undo, &QPushButton::clicked, this, [this] {
        if (m_frame != nullptr) edit(m_frame->experiment);
        m_changed = false;
        check();
    });
}

}  // namespace mixoscope
