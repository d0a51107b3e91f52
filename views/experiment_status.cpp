#include "views/experiment_status.h"

#include <QHBoxLayout>
#include <QLabel>

#include "views/elided_label.h"
#include "views/experiment_fields.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kMessageMs = 6000;

}  // namespace

ExperimentStatus::ExperimentStatus(QWidget* parent)
    : QWidget(parent),
      m_state(new QLabel(this)),
      m_model(new QLabel(this)),
      m_batch(new QLabel(this)),
      m_store(new ElidedLabel(this)) {
    setObjectName(u"experiment_status"_s);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(10, 0, 10, 0);
    row->setSpacing(18);
    m_state->setObjectName(u"experiment_message"_s);
    m_store->setObjectName(u"experiment_store"_s);
    m_store->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    for (QLabel* label : {m_state, m_model, m_batch, m_store}) {
        label->setFont(textFont(font_size::kTable));
        row->addWidget(label);
    }
    row->setStretch(3, 1);
    m_message.setSingleShot(true);
    connect(&m_message, &QTimer::timeout, this, &ExperimentStatus::showState);
    showExperiment({});
}

void ExperimentStatus::showState() {
    m_state->setText(m_state_text);
    m_state->setToolTip(m_state_tip);
}

void ExperimentStatus::showMessage(const QString& message, bool warning) {
    m_state->setText((warning ? u"⚠ "_s : QString()) + message.section(u'\n', 0, 0));
    m_state->setToolTip(message);
    m_message.start(kMessageMs);
}

void ExperimentStatus::showExperiment(const ExperimentSnapshot& experiment) {
    const std::optional<ErrorParts>& problem = experiment.unusable ? experiment.unusable : experiment.error;
    m_state_text = problem                  ? u"✕ "_s + format::plainText(problem->what)
                   : experiment.isRunning() ? tr("● Running")
                   : experiment.frame       ? tr("✓ Ready")
                                            : tr("No experiment is open");
    m_state_tip = problem ? format::plainText(Error(*problem).what()) : tr("What the experiment does");
    if (!m_message.isActive()) showState();
    const bool there = experiment.frame != nullptr;
    m_model->setText(!there                        ? QString()
                     : experiment.model != nullptr ? u"%1 · %2"_s.arg(format::plainText(experiment.model->name),
                                                                      format::plainText(experiment.model->backend))
                                                   : format::plainText(experiment.frame->experiment.model));
    m_model->setToolTip(experiment.model != nullptr
                            ? tr("An experiment has a model of its own; what the chat computes meanwhile slows it down")
                            : tr("The model is not open"));
    m_batch->setText(there ? tr("batches of %1").arg(lanesText(experiment.frame->experiment.lanes)) : QString());
    m_batch->setToolTip(tr("Runs that decode in one step; each has the tokens that it has alone"));
    const QString store = QString::fromStdString(experiment.store.string());
    m_store->setText(store.isEmpty() ? QString() : tr("Kept in %1").arg(store));
    m_store->setToolTip(store.isEmpty() ? QString()
                                        : tr("%1\nmixoscope sweep --resume goes on with it, too").arg(store));
}

}  // namespace mixoscope
