#include "views/experiment_progress.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "views/elided_label.h"
#include "views/experiment_chart.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kButton = 112;
constexpr int kSteps = 1000;

/// "top-k:k=1 · B 64 · sums, 34 of 50".
QString cellText(const ExperimentSnapshot& experiment) {
    if (!experiment.cell) return {};
    const ExperimentCell& cell = experiment.frame->cells[*experiment.cell];
    const Experiment& asked = experiment.frame->experiment;
    const CellResult& result = experiment.results[*experiment.cell];
    QString title = cellTitle(asked, cell);
    if (!scoresText(asked, cell)) title += u" · "_s + QString::fromStdString(asked.tasks[cell.task].name);
    return QObject::tr("%1, %2 of %3").arg(title, format::count(result.runs), format::count(result.items));
}

QString stateText(const ExperimentSnapshot& experiment) {
    switch (experiment.state) {
        case ExperimentState::kNone:
            return QObject::tr("No experiment is open");
        case ExperimentState::kOpening:
            return QObject::tr("Opening the experiment");
        case ExperimentState::kRunning:
            return QObject::tr("Running %1").arg(cellText(experiment));
        case ExperimentState::kPausing:
            return QObject::tr("Pausing: the runs under way end");
        case ExperimentState::kPaused:
            return QObject::tr("Paused");
        case ExperimentState::kStopping:
            return QObject::tr("Stopping");
        case ExperimentState::kReady:
            break;
    }
    if (experiment.unusable)
        return experiment.store.empty() ? QObject::tr("This experiment cannot be run")
                                        : QObject::tr("These results can be read, but not gone on with");
    if (experiment.isComplete()) return QObject::tr("✓ All runs are done");
    return experiment.done == 0 ? QObject::tr("Ready to run") : QObject::tr("Stopped; what has finished is kept");
}

QString factsText(const ExperimentSnapshot& experiment) {
    if (experiment.frame == nullptr || experiment.state == ExperimentState::kOpening) return {};
    QStringList facts;
    const QString done = format::count(experiment.done);
    facts << (experiment.total > 0 ? QObject::tr("%1 of %2 runs").arg(done, format::count(experiment.total))
                                   : QObject::tr("%1 runs").arg(done));
    if (experiment.elapsed_s > 0.0) facts << QObject::tr("%1 elapsed").arg(timeSpan(experiment.elapsed_s));
    if (!std::isnan(experiment.left_s) && experiment.isRunning())
        facts << QObject::tr("about %1 left").arg(timeSpan(experiment.left_s));
    return facts.join(u" · "_s);
}

}  // namespace

QString timeSpan(double seconds) {
    const auto whole = static_cast<std::int64_t>(std::llround(seconds));
    return whole < 60 ? QObject::tr("%1 s").arg(whole) : format::milliseconds(1000.0 * static_cast<double>(whole));
}

ExperimentProgress::ExperimentProgress(QWidget* parent)
    : QWidget(parent),
      m_state(new ElidedLabel(this)),
      m_facts(new QLabel(this)),
      m_bar(new QProgressBar(this)),
      m_share(new QLabel(this)),
      m_run(new QPushButton(this)),
      m_stop(new QPushButton(this)) {
    setObjectName(u"experiment_progress"_s);
    m_state->setObjectName(u"experiment_state"_s);
    m_state->setFont(textFont(font_size::kTable, QFont::DemiBold));
    m_facts->setObjectName(u"experiment_facts"_s);
    m_facts->setFont(monoFont(font_size::kCaption));
    m_bar->setObjectName(u"experiment_bar_done"_s);
    m_bar->setAccessibleName(tr("Runs done"));
    m_bar->setRange(0, kSteps);
    m_bar->setTextVisible(false);
    m_bar->setFixedHeight(8);
    m_share->setFont(monoFont(font_size::kChat, QFont::Bold));
    m_share->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    m_share->setMinimumWidth(64);
    m_run->setObjectName(u"experiment_run"_s);
    m_stop->setObjectName(u"experiment_stop"_s);
    m_stop->setText(tr("Stop"));
    m_stop->setIcon(themedIcon(u"stop"_s));
    m_run->setFixedWidth(kButton);
    m_stop->setFixedWidth(84);
    auto* words = new QHBoxLayout;
    words->setSpacing(12);
    words->addWidget(m_state, 1);
    words->addWidget(m_facts);
    auto* column = new QVBoxLayout;
    column->setSpacing(5);
    column->addLayout(words);
    column->addWidget(m_bar);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(10, 6, 10, 8);
    row->setSpacing(12);
    row->addLayout(column, 1);
    row->addWidget(m_share);
    row->addWidget(m_run);
    row->addWidget(m_stop);
    connect(m_run, &QPushButton::clicked, this, [this] {
        if (m_pauses) {
            Q_EMIT pauseAsked();
        } else {
            Q_EMIT runAsked();
        }
    });
    connect(m_stop, &QPushButton::clicked, this, &ExperimentProgress::stopAsked);
    showExperiment(ExperimentSnapshot());
}

void ExperimentProgress::showExperiment(const ExperimentSnapshot& experiment) {
    m_state->setText(stateText(experiment));
    m_state->setToolTip(m_state->text());
    m_facts->setText(factsText(experiment));
    const double share =
        experiment.total > 0 ? static_cast<double>(experiment.done) / static_cast<double>(experiment.total) : 0.0;
    // Not full before all is done.
    m_bar->setValue(experiment.isComplete() ? kSteps : static_cast<int>(std::floor(share * (kSteps - 1))));
    m_share->setText(experiment.total > 0 ? format::percent(std::floor(share * 1000.0) / 1000.0) : QString());
    showRun(experiment);
}

void ExperimentProgress::showRun(const ExperimentSnapshot& experiment) {
    m_pauses = experiment.state == ExperimentState::kRunning;
    const bool held = experiment.state == ExperimentState::kPaused || experiment.state == ExperimentState::kPausing;
    const bool begun = held || experiment.done > 0;
    m_run->setText(m_pauses ? tr("Pause") : begun && !experiment.isComplete() ? tr("Go on") : tr("Run"));
    m_run->setIcon(themedIcon(m_pauses ? u"pause"_s : u"play"_s));
    setRole(*m_run, m_pauses ? QString() : u"primary"_s);
    m_run_reason = experiment.frame == nullptr                      ? tr("Open an experiment first")
                   : experiment.state == ExperimentState::kOpening  ? tr("The experiment is being opened")
                   : experiment.state == ExperimentState::kStopping ? tr("It is being stopped")
                   : experiment.unusable ? format::plainText(Error(*experiment.unusable).what())
                   : experiment.isComplete() && !experiment.isRunning() ? tr("All runs are done")
                                                                        : QString();
    m_run->setEnabled(m_run_reason.isEmpty());
    m_run->setToolTip(!m_run_reason.isEmpty() ? m_run_reason
                      : m_pauses              ? tr("Let the runs under way end and hold there (F5)")
                      : begun                 ? tr("Go on with the runs that are missing (F5)")
                                              : tr("Run all combinations over all items (F5)"));
    m_stop->setEnabled(experiment.isRunning() && experiment.state != ExperimentState::kStopping);
    m_stop->setToolTip(m_stop->isEnabled()
                           ? tr("Stop at once; what has finished is kept, the runs under way are done again later")
                           : tr("Nothing runs"));
}

}  // namespace mixoscope
