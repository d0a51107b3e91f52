#include "views/models/experiment_results_model.h"

#include <QPainter>
#include <QPixmap>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "sessions/record_names.h"
#include "views/experiment_chart.h"
#include "views/format.h"
#include "views/lane_style.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

QPixmap markerOf(std::size_t policy) {
    constexpr int kSide = 12;
    QPixmap pixmap(kSide * 2, kSide * 2);
    pixmap.setDevicePixelRatio(2.0);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    paintLaneMarker(painter, QPointF(kSide / 2.0, kSide / 2.0), 9.0, policyTag(policy));
    return pixmap;
}

/// Columns that mean nothing where nothing is asked.
bool isAsking(int column) {
    switch (column) {
        case ExperimentResultsModel::kMode:
        case ExperimentResultsModel::kBudget:
        case ExperimentResultsModel::kSampling:
        case ExperimentResultsModel::kSeed:
        case ExperimentResultsModel::kAccuracy:
        case ExperimentResultsModel::kPValue:
        case ExperimentResultsModel::kThinking:
        case ExperimentResultsModel::kTtft:
        case ExperimentResultsModel::kTpot:
        case ExperimentResultsModel::kForced:
        case ExperimentResultsModel::kModeErrors:
        case ExperimentResultsModel::kLeaks:
            return true;
        default:
            return false;
    }
}

struct Heading {
    QString title;
    QString tip;
};

const std::array<Heading, ExperimentResultsModel::kColumns>& headings() {
    static const std::array<Heading, ExperimentResultsModel::kColumns> all = {
        {{QObject::tr("Policy"), QObject::tr("Routing policy; the first is the baseline")},
         {QObject::tr("Task"),
          QObject::tr("Task whose items were asked or scored; all tasks: the items of those that are asked together, "
                      "each weighing the same")},
         {QObject::tr("Mode"), QObject::tr("With or without thinking")},
         {QObject::tr("B"), QObject::tr("Thinking budget in tokens")},
         {QObject::tr("Sampling"), QObject::tr("How tokens are drawn")},
         {QObject::tr("Seed"), QObject::tr("Seed of the draws")},
         {QObject::tr("Lanes"), QObject::tr("Runs that decode in one batch; answers do not depend on it, times do")},
         {QObject::tr("Runs"), QObject::tr("Runs that have finished, of the items of the task")},
         {QObject::tr("Accuracy, %"), QObject::tr("Share of right answers with Wilson's 95 % interval")},
         {QObject::tr("p"), QObject::tr("Exact McNemar test against the first policy on the same items")},
         {QObject::tr("Perplexity"),
          QObject::tr("exp of the mean NLL of a scored token, with the 95 % interval over the windows of the text")},
         {QObject::tr("ΔNLL"),
          QObject::tr("NLL of a token, nats: this − the first policy, with the 95 % interval over the windows")},
         {QObject::tr("N"), QObject::tr("Thinking tokens of a run, mean")},
         {QObject::tr("TTFT"), QObject::tr("Time to the first token, mean; steps are shared with the batch")},
         {QObject::tr("TPOT"), QObject::tr("Time per token after the first, mean; steps are shared with the batch")},
         {QObject::tr("Latency"), QObject::tr("Time from the question to the end of the answer, mean")},
         {QObject::tr("Tokens/s"), QObject::tr("Generated tokens of the whole batch in a second")},
         {QObject::tr("Load CV"),
          QObject::tr("Imbalance of the experts, mean over the layers; in brackets what chance alone would show")},
         {QObject::tr("Experts"), QObject::tr("Experts that ran, for each generated token and layer")},
         {QObject::tr("Bytes/token"), QObject::tr("Weights of the experts that ran, for each generated token")},
         {QObject::tr("Dropped"), QObject::tr("Selections of the prompts that a capacity dropped")},
         {QObject::tr("Forced"), QObject::tr("Runs whose think block the budget closed")},
         {QObject::tr("Mode errors"), QObject::tr("Runs that thought where they should not, or the reverse")},
         {QObject::tr("Leaks"), QObject::tr("Runs with a thinking tag where none belongs")},
         {QObject::tr("Unfinished"), QObject::tr("Runs that ended at a limit and not with the model's own end")}}};
    return all;
}

}  // namespace

void ExperimentResultsModel::show(const ExperimentPointer& experiment) {
    const auto rows = [](const ExperimentPointer& of) {
        return of == nullptr ? 0 : static_cast<int>(of->results.size());
    };
    const bool same = m_experiment != nullptr && experiment != nullptr && m_experiment->frame == experiment->frame &&
                      rows(m_experiment) == rows(experiment);
    if (!same) beginResetModel();
    m_experiment = experiment;
    if (!same) {
        endResetModel();
    } else if (rowCount() > 0) {
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, kColumns - 1));
    }
}

bool ExperimentResultsModel::isTold(int column) const {
    if (m_experiment == nullptr || m_experiment->frame == nullptr) return true;
    const Experiment& experiment = m_experiment->frame->experiment;
    switch (column) {
        case kTask:
            return experiment.tasks.size() > 1;
        case kMode:
            return experiment.modes.size() > 1;
        case kSampling:
            return experiment.samplings.size() > 1;
        case kSeed:
            return experiment.seeds.size() > 1;
        case kAccuracy:
            return !std::ranges::all_of(experiment.tasks, &ExperimentTask::scoresText);
        case kLanes:
            return experiment.lanes.size() > 1;
        case kPValue:
            return experiment.policies.size() > 1 && isTold(kAccuracy);
        case kPerplexity:
            return std::ranges::any_of(experiment.tasks, &ExperimentTask::scoresText);
        case kNllChange:
            return experiment.policies.size() > 1 && isTold(kPerplexity);
        default:
            return true;
    }
}

int ExperimentResultsModel::rowCount(const QModelIndex& parent) const {
    if (parent.isValid() || m_experiment == nullptr) return 0;
    return static_cast<int>(m_experiment->results.size());
}

int ExperimentResultsModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : kColumns;
}

bool ExperimentResultsModel::scoresText(const CellResult& result) const {
    return mixoscope::scoresText(m_experiment->frame->experiment, result.cell);
}

QString ExperimentResultsModel::text(const CellResult& result, int column) const {
    const Experiment& experiment = m_experiment->frame->experiment;
    if (isAsking(column) && scoresText(result)) return format::kAbsent;
    const auto counted = [&](std::int64_t number) {
        return result.runs == 0 ? format::kAbsent : format::count(number);
    };
    switch (column) {
        case kPolicy:
            return QString::fromStdString(experiment.policies[result.cell.policy]);
        case kTask:
            return QString::fromStdString(taskName(experiment, result.cell));
        case kMode:
            return QString::fromStdString(modeName(static_cast<std::int64_t>(result.cell.mode)));
        case kBudget:
            return result.cell.mode == ThinkingMode::kNoThink ? format::kAbsent
                                                              : format::budgetOnAxis(result.cell.budget);
        case kSampling:
            return QString::fromStdString(samplingText(experiment.samplings[result.cell.sampling]));
        case kSeed:
            return QString::number(result.cell.seed);
        case kLanes:
            return QString::number(result.cell.lanes);
        case kRuns:
            return isFinished(result) || result.items == 0
                       ? format::count(result.runs)
                       : tr("%1 of %2").arg(format::count(result.runs), format::count(result.items));
        case kAccuracy:
            return accuracyText(result.accuracy);
        case kPValue:
            return result.cell.policy == 0             ? tr("baseline")
                   : result.p_value && result.runs > 0 ? format::probability(*result.p_value)
                                                       : format::kAbsent;
        case kPerplexity:
            return perplexityText(result.perplexity);
        case kNllChange:
            return result.cell.policy == 0 && scoresText(result) ? tr("baseline") : nllChangeText(result.nll_change);
        case kThinking:
            return format::fixed(result.thinking_tokens.mean, 1);
        case kTtft:
            return format::milliseconds(result.ttft_ms);
        case kTpot:
            return format::milliseconds(result.tpot_ms.mean);
        case kLatency:
            return format::milliseconds(result.latency_ms);
        case kRate:
            return format::fixed(result.tokens_per_s, result.tokens_per_s < 99.95 ? 1 : 0);
        case kLoad:
            return std::isnan(result.load_cv)
                       ? format::kAbsent
                       : u"%1 (%2)"_s.arg(format::balance(result.load_cv), format::balance(result.load_cv_floor));
        case kExperts:
            return format::fixed(result.active_experts, 2);
        case kBytes:
            return std::isnan(result.expert_bytes) ? format::kAbsent : format::bytes(std::llround(result.expert_bytes));
        case kDropped:
            return format::percent(result.prompt_dropped_share);
        case kForced:
            return counted(result.forced_stops);
        case kModeErrors:
            return counted(result.mode_errors);
        case kLeaks:
            return counted(result.leaks);
        default:
            return counted(result.unfinished);
    }
}

QVariant ExperimentResultsModel::sortValue(const CellResult& result, int column) const {
    if (isAsking(column) && scoresText(result) && column != kMode && column != kSampling) return kNone;
    const auto counted = [&](std::int64_t number) { return result.runs == 0 ? kNone : static_cast<double>(number); };
    switch (column) {
        case kPolicy:
            return static_cast<double>(result.cell.policy);
        case kTask:
            return static_cast<double>(result.cell.task);
        case kBudget:
            return result.cell.mode == ThinkingMode::kNoThink ? -1.0 : static_cast<double>(result.cell.budget);
        case kSeed:
            return static_cast<double>(result.cell.seed);
        case kLanes:
            return static_cast<double>(result.cell.lanes);
        case kRuns:
            return static_cast<double>(result.runs);
        case kAccuracy:
            return result.accuracy.share;
        case kPValue:
            return result.p_value && result.runs > 0 ? *result.p_value : kNone;
        case kPerplexity:
            return result.perplexity.mean;
        case kNllChange:
            return result.nll_change.mean;
        case kThinking:
            return result.thinking_tokens.mean;
        case kTtft:
            return result.ttft_ms;
        case kTpot:
            return result.tpot_ms.mean;
        case kLatency:
            return result.latency_ms;
        case kRate:
            return result.tokens_per_s;
        case kLoad:
            return result.load_cv;
        case kExperts:
            return result.active_experts;
        case kBytes:
            return result.expert_bytes;
        case kDropped:
            return result.prompt_dropped_share;
        case kForced:
            return counted(result.forced_stops);
        case kModeErrors:
            return counted(result.mode_errors);
        case kLeaks:
            return counted(result.leaks);
        case kUnfinished:
            return counted(result.unfinished);
        default:
            return text(result, column);
    }
}

QString ExperimentResultsModel::tip(const CellResult& result, int column) const {
    if (column == kPolicy) return text(result, kPolicy);
    if (text(result, column) != format::kAbsent) return {};
    if (isAsking(column) && scoresText(result)) return tr("A text is scored and not asked");
    if ((column == kPerplexity || column == kNllChange) && !scoresText(result))
        return tr("The items are asked and not scored");
    if (column == kBudget) return tr("Without thinking there is no budget");
    if (result.runs == 0) return tr("Nothing has run yet");
    if (column == kAccuracy) return tr("The items have no known answers");
    if (column == kLoad || column == kBytes || column == kExperts) return tr("The file does not say what model it was");
    return tr("Nothing was measured");
}

QVariant ExperimentResultsModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || m_experiment == nullptr) return {};
    const CellResult& result = m_experiment->results[static_cast<std::size_t>(index.row())];
    switch (role) {
        case Qt::DisplayRole:
            return text(result, index.column());
        case kSortRole:
            return sortValue(result, index.column());
        case Qt::ToolTipRole:
            return tip(result, index.column());
        case Qt::DecorationRole:
            return index.column() == kPolicy ? QVariant(markerOf(result.cell.policy)) : QVariant();
        case Qt::FontRole:
            return index.column() == kTask ? textFont(font_size::kTable) : monoFont(font_size::kCaption);
        case Qt::ForegroundRole: {
            const bool wrong = (index.column() == kModeErrors && result.mode_errors > 0) ||
                               (index.column() == kLeaks && result.leaks > 0);
            return wrong ? QVariant(colours().warning) : QVariant();
        }
        case Qt::TextAlignmentRole:
            return QVariant(Qt::AlignVCenter | (index.column() <= kMode ? Qt::AlignLeft : Qt::AlignRight));
        default:
            return {};
    }
}

QVariant ExperimentResultsModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section < 0 || section >= kColumns) return {};
    const Heading& heading = headings()[static_cast<std::size_t>(section)];
    if (role == Qt::DisplayRole) return heading.title;
    if (role == Qt::ToolTipRole) return heading.tip;
    if (role == Qt::TextAlignmentRole)
        return QVariant(Qt::AlignVCenter | (section <= kMode ? Qt::AlignLeft : Qt::AlignRight));
    return {};
}

}  // namespace mixoscope
