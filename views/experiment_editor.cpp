#include "views/experiment_editor.h"

#include <QCheckBox>
#include <QFileInfo>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QPushButton>
#include <QScrollArea>
#include <QSpinBox>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "views/experiment_fields.h"
#include "views/experiment_policy_row.h"
#include "views/experiment_progress.h"
#include "views/experiment_task_row.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

void showProblem(QLabel& label, const QString& problem) {
    label.setText(problem);
    label.setVisible(!problem.isEmpty());
}

}  // namespace

ExperimentEditor::ExperimentEditor(QWidget* parent)
    : QWidget(parent), m_form(new QWidget(this)), m_lock(new QLabel(this)) {
    setObjectName(u"experiment_editor"_s);
    m_lock->setObjectName(u"experiment_lock"_s);
    m_lock->setProperty("role", u"notice-warning"_s);
    m_lock->setWordWrap(true);
    m_lock->setText(tr("Locked while it runs"));
    m_lock->hide();
    auto* form = new QVBoxLayout(m_form);
    form->setContentsMargins(10, 10, 10, 10);
    form->setSpacing(6);
    makeForm(*form);
    form->addStretch(1);
    auto* area = new QScrollArea(this);
    area->setWidget(m_form);
    area->setWidgetResizable(true);
    area->setFrameShape(QFrame::NoFrame);
    area->setFocusPolicy(Qt::NoFocus);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_form->setProperty("role", u"panel"_s);
    m_form->setAttribute(Qt::WA_StyledBackground);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(m_lock);
    column->addWidget(area, 1);
    makeButtons(*column);
    setMinimumWidth(310);
    setFocusProxy(m_name);
    check();
}

void ExperimentEditor::setTaskFiles(const QStringList& files) {
    m_task_files = files;
    fillTaskMenu();
}

void ExperimentEditor::fillTaskMenu() {
    QMenu& menu = *m_add_task->menu();
    menu.clear();
    const auto add = [&](const QString& title, const QString& file) {
        menu.addAction(title, this, [this, file] {
            ExperimentTask task;
            task.file = file.toStdString();
            task.name = QFileInfo(file).completeBaseName().toStdString();
            addTask(task);
            touch();
        });
    };
    for (const QString& file : m_task_files) add(QFileInfo(file).completeBaseName(), file);
    if (!m_task_files.isEmpty()) menu.addSeparator();
    add(tr("A file of your own"), {});
}

void ExperimentEditor::addTask(const ExperimentTask& task) {
    auto* row = new ExperimentTaskRow(m_form);
    row->showTask(task);
    m_tasks.push_back(row);
    m_task_rows->addWidget(row);
    connect(row, &ExperimentTaskRow::changed, this, &ExperimentEditor::touch);
    connect(row, &ExperimentTaskRow::removeAsked, this, [this, row] { removeTask(row); });
}

void ExperimentEditor::removeTask(ExperimentTaskRow* row) {
    std::erase(m_tasks, row);
    row->hide();
    row->deleteLater();  // its button was pressed
    touch();
}

void ExperimentEditor::addPolicy(const QString& text) {
    auto* row = new ExperimentPolicyRow(m_form);
    row->setPolicy(text);
    m_policies.push_back(row);
    m_policy_rows->addWidget(row);
    connect(row, &ExperimentPolicyRow::changed, this, &ExperimentEditor::touch);
    connect(row, &ExperimentPolicyRow::removeAsked, this, [this, row] { removePolicy(row); });
}

void ExperimentEditor::removePolicy(ExperimentPolicyRow* row) {
    std::erase(m_policies, row);
    row->hide();
    row->deleteLater();
    touch();
}

void ExperimentEditor::edit(const Experiment& experiment) {
    m_filling = true;
    m_base = experiment;
    const auto drop = [](QWidget* row) {
        row->hide();
        row->deleteLater();
    };
    std::ranges::for_each(m_tasks, drop);
    std::ranges::for_each(m_policies, drop);
    m_tasks.clear();
    m_policies.clear();
    m_name->setText(QString::fromStdString(experiment.name));
    m_model->setText(QString::fromStdString(experiment.model));
    for (const ExperimentTask& task : experiment.tasks) addTask(task);
    for (const std::string& policy : experiment.policies) addPolicy(QString::fromStdString(policy));
    m_budgets.field->setText(budgetsText(experiment.budgets));
    m_samplings.field->setText(samplingsText(experiment.samplings));
    m_seeds.field->setText(seedsText(experiment.seeds));
    const auto has = [&](ThinkingMode mode) {
        return std::ranges::find(experiment.modes, mode) != experiment.modes.end();
    };
    m_think->setChecked(has(ThinkingMode::kThink));
    m_no_think->setChecked(has(ThinkingMode::kNoThink));
    m_soft_switch->setChecked(experiment.soft_switch);
    m_lanes.field->setText(lanesText(experiment.lanes));
    m_max_tokens->setValue(experiment.max_tokens);
    m_filling = false;
    m_changed = true;
    check();
}

void ExperimentEditor::setExperiment(const ExperimentPointer& experiment) {
    m_experiment = experiment;
    const bool running = experiment != nullptr && experiment->isRunning();
    m_lock->setVisible(running);
    m_form->setEnabled(!running);
    const auto frame = experiment == nullptr ? nullptr : experiment->frame;
    // While it is opened its frame is given twice: as it was asked for, and with what is known of its tasks.
    if (frame != m_frame && !m_changed && frame != nullptr &&
        (m_frame == nullptr || experimentJson(frame->experiment) != experimentJson(m_frame->experiment) ||
         m_tasks.empty())) {
        edit(frame->experiment);
        m_changed = false;
    }
    m_frame = frame;
    check();
}

void ExperimentEditor::touch() {
    if (m_filling) return;
    const auto written = experiment();
    m_changed = m_frame == nullptr || !written || experimentJson(*written) != experimentJson(m_frame->experiment);
    check();
}

bool ExperimentEditor::checkLists() {
    bool valid = true;
    const auto tryField = [&](const ListField& list, const auto& parse) {
        QString problem;
        try {
            parse(list.field->text());
        } catch (const Error& error) {
            problem = fieldError(error.parts());
            valid = false;
        }
        showProblem(*list.error, problem);
    };
    tryField(m_budgets, parseBudgets);
    tryField(m_samplings, parseSamplings);
    tryField(m_seeds, parseSeeds);
    tryField(m_lanes, parseLanes);
    return valid;
}

void ExperimentEditor::check() {
    if (m_filling) return;
    m_valid = checkLists() && !m_tasks.empty() && !m_policies.empty();
    const bool no_mode = !m_think->isChecked() && !m_no_think->isChecked();
    showProblem(*m_mode_error, no_mode ? tr("Choose a mode at least") : QString());
    m_valid = m_valid && !no_mode;
    // Policies are those of the model that is open; another one's are checked when the experiment is used.
    const bool same_model = m_experiment != nullptr && m_experiment->model != nullptr && m_frame != nullptr &&
                            m_frame->experiment.model == m_model->text().trimmed().toStdString();
    for (std::size_t index = 0; index < m_policies.size(); ++index) {
        ExperimentPolicyRow& row = *m_policies[index];
        row.setModel(same_model ? m_experiment->model : nullptr);
        row.setIndex(index, m_policies.size() > 1);
        const auto same = [&](const ExperimentPolicyRow* other) {
            return !row.policy().isEmpty() && other->policy() == row.policy();
        };
        row.setTwice(std::find_if(m_policies.begin(), m_policies.begin() + static_cast<std::ptrdiff_t>(index), same) !=
                     m_policies.begin() + static_cast<std::ptrdiff_t>(index));
        m_valid = m_valid && row.problem().isEmpty();
    }
    QStringList names;
    for (ExperimentTaskRow* row : m_tasks) {
        QString name;
        try {
            name = QString::fromStdString(row->task().name);
        } catch (const Error&) {
            // The row says what is wrong with it.
        }
        row->setNameProblem(!name.isEmpty() && names.contains(name) ? tr("Another task has this name") : QString());
        names << name;
        m_valid = m_valid && row->problem().isEmpty();
    }
    const bool stands = !m_changed && m_experiment != nullptr && m_experiment->unusable && m_experiment->store.empty();
    showProblem(*m_problem, stands ? fieldError(*m_experiment->unusable) : QString());
    showTotals();
    const bool running = m_experiment != nullptr && m_experiment->isRunning();
    m_use->setEnabled(m_valid && m_changed && !running);
    m_use->setToolTip(running      ? tr("Locked while it runs")
                      : !m_valid   ? tr("Some fields are wrong or empty")
                      : !m_changed ? tr("This is the experiment that is open")
                                   : tr("Check it with its model and task files, and get it ready to run"));
    m_save->setEnabled(m_valid);
    m_save->setToolTip(m_valid ? tr("Save it as an experiment file (JSON)") : tr("Some fields are wrong or empty"));
    m_undo->setEnabled(m_changed && m_frame != nullptr && !running);
    m_undo->setToolTip(m_undo->isEnabled() ? tr("Back to the experiment that is open") : tr("Nothing was changed"));
}

std::optional<Experiment> ExperimentEditor::experiment() const {
    if (!m_budgets.field || m_tasks.empty() || m_policies.empty()) return std::nullopt;
    Experiment written = m_base;
    try {
        written.name = m_name->text().trimmed().isEmpty() ? "experiment" : m_name->text().trimmed().toStdString();
        written.model = m_model->text().trimmed().isEmpty() ? "demo" : m_model->text().trimmed().toStdString();
        written.tasks.clear();
        written.policies.clear();
        written.modes.clear();
        for (const ExperimentTaskRow* row : m_tasks) written.tasks.push_back(row->task());
        for (const ExperimentPolicyRow* row : m_policies) {
            if (!row->problem().isEmpty()) return std::nullopt;
            written.policies.push_back(row->policy().toStdString());
        }
        // In the order in which they were given before, where they were.
        const bool reversed = !m_base.modes.empty() && m_base.modes.front() == ThinkingMode::kNoThink;
        if (m_think->isChecked()) written.modes.push_back(ThinkingMode::kThink);
        if (m_no_think->isChecked()) written.modes.push_back(ThinkingMode::kNoThink);
        if (reversed) std::ranges::reverse(written.modes);
        if (written.modes.empty()) return std::nullopt;
        written.budgets = parseBudgets(m_budgets.field->text());
        written.samplings = parseSamplings(m_samplings.field->text());
        written.seeds = parseSeeds(m_seeds.field->text());
        written.lanes = parseLanes(m_lanes.field->text());
    } catch (const Error&) {
        return std::nullopt;
    }
    written.soft_switch = m_soft_switch->isChecked();
    written.max_tokens = m_max_tokens->value();
    return written;
}

std::optional<std::int64_t> ExperimentEditor::runsOf(const std::vector<ExperimentCell>& cells) const {
    std::int64_t runs = 0;
    for (const ExperimentCell& cell : cells) {
        const std::optional<std::int64_t> items = m_tasks[cell.task]->items();
        if (!items) return std::nullopt;
        runs += *items;
    }
    return runs;
}

void ExperimentEditor::showTotals() {
    const auto written = experiment();
    if (!written || !m_valid) return m_totals->setText(tr("Correct what is marked to see what it takes."));
    const std::vector<ExperimentCell> cells = experimentCells(*written);
    QString text = tr("%1 cells").arg(format::count(std::ssize(cells)));
    const auto runs = runsOf(cells);
    if (!runs) return m_totals->setText(text);
    text += tr(", %1 runs").arg(format::count(*runs));
    // An estimate is made of what was measured, or not at all.
    const bool measured = m_experiment != nullptr && m_frame != nullptr && !std::isnan(m_experiment->run_ms) &&
                          m_frame->experiment.model == written->model;
    text += u'\n' + (measured ? tr("about %1 in all, by the %2 runs measured so far")
                                    .arg(timeSpan(m_experiment->run_ms * static_cast<double>(*runs) / 1000.0),
                                         format::count(m_experiment->done))
                              : tr("no estimate of the time: nothing was measured yet"));
    m_totals->setText(text);
}

}  // namespace mixoscope
