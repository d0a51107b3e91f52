#include "app/window/experiment_bar.h"

#include <QAction>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QSignalBlocker>
#include <QToolButton>
#include <algorithm>

#include "app/window/captioned_control.h"
#include "views/experiment_selection.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kCaptionsFrom = 1100;  // of the window's width
constexpr int kWidestName = 280;

}  // namespace

ExperimentBar::ExperimentBar(ExperimentSelection& selection, QWidget* parent)
    : QToolBar(tr("Experiment"), parent),
      m_selection(selection),
      m_experiment(new QToolButton(this)),
      m_menu(new QMenu(m_experiment)),
      m_edit(new QToolButton(this)),
      m_csv(new QToolButton(this)),
      m_report(new QToolButton(this)) {
    setObjectName(u"experiment_bar"_s);
    setMovable(false);
    setContextMenuPolicy(Qt::PreventContextMenu);
    m_experiment->setObjectName(u"experiment_choice"_s);
    m_experiment->setProperty("role", u"menu"_s);
    m_experiment->setMenu(m_menu);
    m_experiment->setPopupMode(QToolButton::InstantPopup);
    m_experiment->setFocusPolicy(Qt::StrongFocus);
    m_experiment->setToolTip(tr("Open an experiment"));
    m_csv->setObjectName(u"experiment_csv"_s);
    m_csv->setText(tr("CSV"));
    m_csv->setIcon(themedIcon(u"table"_s));
    m_csv->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_csv->setFocusPolicy(Qt::StrongFocus);
    m_report->setObjectName(u"experiment_report"_s);
    m_report->setText(tr("Report"));
    m_report->setIcon(themedIcon(u"image"_s));
    m_report->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_report->setFocusPolicy(Qt::StrongFocus);
    m_edit->setObjectName(u"experiment_edit"_s);
    m_edit->setText(tr("Edit…"));
    m_edit->setFocusPolicy(Qt::StrongFocus);
    m_edit->setToolTip(tr("Show tasks, policies, budgets and the rest in a form"));
    auto* which = new QWidget(this);
    auto* which_row = new QHBoxLayout(which);
    which_row->setContentsMargins(0, 0, 0, 0);
    which_row->setSpacing(6);
    which_row->addWidget(m_experiment);
    which_row->addWidget(m_edit);
    addControl(tr("Experiment"), which);
    addSeparator();
    m_task = makeChoice(u"experiment_task"_s, tr("Task"), tr("Choose the task that the charts show"));
    m_task_shown = addControl(tr("Task"), m_task);
    m_sampling = makeChoice(u"experiment_sampling"_s, tr("Sampling"), tr("Choose the sampling that the charts show"));
    m_sampling_shown = addControl(tr("Sampling"), m_sampling);
    m_seed = makeChoice(u"experiment_seed"_s, tr("Seed"), tr("Choose the seed that the charts show"));
    m_seed_shown = addControl(tr("Seed"), m_seed);
    m_lanes = makeChoice(u"experiment_batch"_s, tr("Batch"), tr("Choose how many runs in a batch the charts show"));
    m_lanes_shown = addControl(tr("Batch"), m_lanes);
    m_policies = makeChoice(u"experiment_policies"_s, tr("Policies in charts"),
                            tr("A chart tells eight policies apart: the first and those chosen here; map and table "
                               "show all"));
    m_policies_shown = addControl(tr("Policies in charts"), m_policies);
    auto* space = new QWidget(this);
    space->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    addWidget(space);
    auto* exports = new QWidget(this);
    auto* export_row = new QHBoxLayout(exports);
    export_row->setContentsMargins(0, 0, 0, 0);
    export_row->setSpacing(6);
    export_row->addWidget(m_csv);
    export_row->addWidget(m_report);
    addControl(tr("Export results"), exports);
    connect(m_edit, &QToolButton::clicked, this, &ExperimentBar::editAsked);
    connect(m_csv, &QToolButton::clicked, this, &ExperimentBar::csvAsked);
    connect(m_report, &QToolButton::clicked, this, &ExperimentBar::reportAsked);
    const auto choose = [this](QComboBox* box, void (ExperimentSelection::*set)(std::size_t)) {
        connect(box, &QComboBox::activated, this,
                [this, set](int index) { (m_selection.*set)(static_cast<std::size_t>(index)); });
    };
    choose(m_task, &ExperimentSelection::setTask);
    choose(m_sampling, &ExperimentSelection::setSampling);
    choose(m_seed, &ExperimentSelection::setSeed);
    choose(m_lanes, &ExperimentSelection::setLanes);
    choose(m_policies, &ExperimentSelection::setPage);
    connect(&m_selection, &ExperimentSelection::changed, this, &ExperimentBar::refresh);
    refresh();
}

QComboBox* ExperimentBar::makeChoice(const QString& name, const QString& caption, const QString& tip) {
    auto* box = new QComboBox(this);
    box->setObjectName(name);
    box->setAccessibleName(caption);
    box->setToolTip(tip);
    box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    box->setMaximumWidth(kWidestName);
    return box;
}

QAction* ExperimentBar::addControl(const QString& caption, QWidget* control) {
    const auto [group, label] = captionedControl(caption, control, this);
    m_captions << label;
    return addWidget(group);
}

void ExperimentBar::fill(QComboBox& box, QAction& action, const QStringList& texts, std::size_t current) {
    QStringList shown;
    for (int index = 0; index < box.count(); ++index) shown << box.itemText(index);
    if (shown != texts) {
        box.clear();
        box.addItems(texts);
    }
    box.setCurrentIndex(static_cast<int>(current));
    action.setVisible(texts.size() > 1);
}

void ExperimentBar::refresh() {
    const ExperimentFrame* frame = m_selection.frame();
    m_edit->setEnabled(frame != nullptr);
    const bool any = m_selection.experiment() != nullptr && m_selection.experiment()->done > 0;
    m_csv->setEnabled(any);
    m_csv->setToolTip(any ? tr("Write results.csv, runs.csv and task_load.csv, as mixoscope sweep does")
                          : tr("Nothing has run yet"));
    m_report->setEnabled(any);
    m_report->setToolTip(any ? tr("Write tables, charts and settings as one HTML file, as mixoscope export --html does")
                             : tr("Nothing has run yet"));
    QStringList tasks;
    QStringList samplings;
    QStringList seeds;
    QStringList sizes;
    QStringList pages;
    if (frame != nullptr) {
        const Experiment& experiment = frame->experiment;
        for (const ExperimentTask& task : experiment.tasks) tasks << QString::fromStdString(task.name);
        if (frame->poolsTasks()) tasks << tr("all tasks");
        for (const Experiment::Sampling& sampling : experiment.samplings)
            samplings << QString::fromStdString(samplingText(sampling));
        for (const std::uint64_t seed : experiment.seeds) seeds << QString::number(seed);
        for (const std::int32_t lanes : experiment.lanes) sizes << QString::number(lanes);
        for (std::size_t page = 0; page < m_selection.pageCount(); ++page) {
            const std::size_t first = 2 + page * ExperimentSelection::kPageSize;
            const std::size_t last = std::min(first + ExperimentSelection::kPageSize - 1, experiment.policies.size());
            pages << tr("1, %1").arg(format::range(static_cast<std::int64_t>(first), static_cast<std::int64_t>(last)));
        }
        m_seed->setEnabled(!experiment.samplings[m_selection.sampling()].greedy);
        m_seed->setToolTip(m_seed->isEnabled() ? tr("Choose the seed that the charts show")
                                               : tr("Greedy decoding draws nothing: one seed stands for all"));
    }
    fill(*m_task, *m_task_shown, tasks, m_selection.task());
    fill(*m_sampling, *m_sampling_shown, samplings, m_selection.sampling());
    fill(*m_seed, *m_seed_shown, seeds, m_selection.seed());
    fill(*m_lanes, *m_lanes_shown, sizes, m_selection.lanes());
    fill(*m_policies, *m_policies_shown, pages, m_selection.page());
    const QString name = frame == nullptr ? tr("none open") : QString::fromStdString(frame->experiment.name);
    m_experiment->setText(m_experiment->fontMetrics().elidedText(name, Qt::ElideMiddle, kWidestName - 40));
    m_experiment->setAccessibleName(tr("Experiment: %1").arg(name));
}

void ExperimentBar::fitWidth(int window_width) {
    for (QLabel* caption : m_captions) caption->setVisible(window_width >= kCaptionsFrom);
}

}  // namespace mixoscope
