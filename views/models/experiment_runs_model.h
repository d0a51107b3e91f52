// The runs that one result of an experiment counts, a row a run.
#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "views/experiment_selection.h"

namespace mixoscope {

enum class RunFilter { kAll, kWrong, kRight };

class ExperimentRunsModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { kItem, kVerdict, kPrompt, kExpected, kAnswer, kThinking, kAnswerTokens, kEnd, kLatency, kColumns };

    using QAbstractTableModel::QAbstractTableModel;

    /// `cell`: a result of the experiment; nullopt: no rows.
    void show(const ExperimentPointer& experiment, std::optional<std::size_t> cell, RunFilter filter);
    const RunResult& run(int row) const { return *m_rows[static_cast<std::size_t>(row)]; }
    /// Null where the task's file cannot be read.
    const TaskItem* item(int row) const;

    QString taskOf(const RunResult& run) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

    /// Whether the runs are windows of a text.
    bool scoresText() const;

private:
    QString text(int row, int column) const;

    ExperimentPointer m_experiment;
    std::vector<std::shared_ptr<const CellRuns>> m_runs;  // that m_rows points into
    std::vector<const RunResult*> m_rows;
};

/// What a run that scored a window of a text found.
QString scoreText(const RunResult& run);
/// The runs that a result counts, by cell; null: a cell without runs.
std::vector<std::shared_ptr<const CellRuns>> runsOf(const ExperimentSnapshot& experiment, std::size_t result);
/// On one line, for cells of a table.
QString onOneLine(const std::string& text);

}  // namespace mixoscope
