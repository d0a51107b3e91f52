#include "views/models/experiment_runs_model.h"

#include <cmath>

#include "sessions/record_names.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

QString onOneLine(const std::string& text) {
    return format::plainText(text).simplified();
}

QString scoreText(const RunResult& run) {
    const double tokens = static_cast<double>(run.measures.scored_tokens);
    return QObject::tr("perplexity %1, %2 tokens")
        .arg(format::fixed(std::exp(run.measures.nll / tokens), 2), format::count(run.measures.scored_tokens));
}

std::vector<std::shared_ptr<const CellRuns>> runsOf(const ExperimentSnapshot& experiment, std::size_t result) {
    std::vector<std::shared_ptr<const CellRuns>> runs;
    for (const std::size_t cell : experiment.frame->cellsOf(result)) {
        if (cell < experiment.runs.size()) runs.push_back(experiment.runs[cell]);
    }
    return runs;
}

void ExperimentRunsModel::show(const ExperimentPointer& experiment, std::optional<std::size_t> cell, RunFilter filter) {
    beginResetModel();
    m_experiment = experiment;
    m_rows.clear();
    m_runs = cell ? runsOf(*experiment, *cell) : std::vector<std::shared_ptr<const CellRuns>>();
    for (const auto& runs : m_runs) {
        if (runs == nullptr) continue;
        for (const RunResult& run : *runs) {
            const bool shown =
                filter == RunFilter::kAll || (run.judged && run.correct == (filter == RunFilter::kRight));
            if (shown) m_rows.push_back(&run);
        }
    }
    endResetModel();
}

const TaskItem* ExperimentRunsModel::item(int row) const {
    const RunKey key = run(row).key;
    return m_experiment->frame->item(m_experiment->frame->cells[key.cell], key.item);
}

bool ExperimentRunsModel::scoresText() const {
    if (m_rows.empty()) return false;
    const ExperimentFrame& frame = *m_experiment->frame;
    return mixoscope::scoresText(frame.experiment, frame.cells[run(0).key.cell]);
}

QString ExperimentRunsModel::taskOf(const RunResult& run) const {
    const ExperimentFrame& frame = *m_experiment->frame;
    return QString::fromStdString(taskName(frame.experiment, frame.cells[run.key.cell]));
}

int ExperimentRunsModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int ExperimentRunsModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : kColumns;
}

QString ExperimentRunsModel::text(int row, int column) const {
    const RunResult& shown = run(row);
    const TaskItem* asked = item(row);
    switch (column) {
        case kItem:
            return m_runs.size() == 1
                       ? format::count(static_cast<std::int64_t>(shown.key.item))
                       : u"%1 %2"_s.arg(taskOf(shown), format::count(static_cast<std::int64_t>(shown.key.item)));
        case kVerdict:
            return !shown.judged ? format::kAbsent : shown.correct ? tr("✓ right") : tr("✕ wrong");
        case kPrompt:
            return asked == nullptr ? format::kAbsent : onOneLine(asked->prompt);
        case kExpected:
            return asked == nullptr || asked->reference.empty() ? format::kAbsent : onOneLine(asked->reference);
        case kAnswer:
            if (scoresText()) return scoreText(shown);
            return shown.answer.empty() ? tr("(no answer)") : onOneLine(shown.answer);
        case kThinking:
            if (scoresText()) return format::kAbsent;
            return format::count(shown.thinking_tokens);
        case kAnswerTokens:
            if (scoresText()) return format::kAbsent;
            return format::count(shown.answer_tokens);
        case kEnd:
            return QString::fromStdString(std::string(stopReasonName(shown.stop_reason)));
        default:
            return format::milliseconds(shown.latency_ms);
    }
}

QVariant ExperimentRunsModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount()) return {};
    const int column = index.column();
    const bool words =
        column == kPrompt || column == kExpected || column == kAnswer || column == kVerdict || column == kEnd;
    switch (role) {
        case Qt::DisplayRole:
            return text(index.row(), column);
        case Qt::ToolTipRole:
            if (column == kPrompt && item(index.row()) == nullptr) return tr("The task's file cannot be read");
            return words ? QVariant(text(index.row(), column)) : QVariant();
        case Qt::FontRole:
            return words ? textFont(font_size::kTable) : monoFont(font_size::kCaption);
        case Qt::ForegroundRole:
            if (column != kVerdict || !run(index.row()).judged) return {};
            return run(index.row()).correct ? colours().good : colours().error;
        case Qt::TextAlignmentRole:
            return QVariant(Qt::AlignVCenter | (words ? Qt::AlignLeft : Qt::AlignRight));
        default:
            return {};
    }
}

QVariant ExperimentRunsModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole) {
        const bool number = section == kItem || section == kThinking || section == kAnswerTokens || section == kLatency;
        return QVariant(Qt::AlignVCenter | (number ? Qt::AlignRight : Qt::AlignLeft));
    }
    if (role != Qt::DisplayRole) return {};
    const QString titles[] = {tr("Item"), tr("Judged"),        tr("Prompt"), tr("Expected"), tr("Answer"),
                              tr("N"),    tr("Answer tokens"), tr("Ended"),  tr("Latency")};
    return titles[section];
}

}  // namespace mixoscope
