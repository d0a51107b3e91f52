// The results of an experiment, a row a cell.
#pragma once

#include <QAbstractTableModel>

#include "views/experiment_selection.h"

namespace mixoscope {

class ExperimentResultsModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column {
        kPolicy,
        kTask,
        kMode,
        kBudget,
        kSampling,
        kSeed,
        kLanes,
        kRuns,
        kAccuracy,
        kPValue,
        kPerplexity,
        kNllChange,
        kThinking,
        kTtft,
        kTpot,
        kLatency,
        kRate,
        kLoad,
        kExperts,
        kBytes,
        kDropped,
        kForced,
        kModeErrors,
        kLeaks,
        kUnfinished,
        kColumns
    };
    /// What a column is sorted by: a number (NaN: absent) or a text.
    static constexpr int kSortRole = Qt::UserRole;

    using QAbstractTableModel::QAbstractTableModel;

    void show(const ExperimentPointer& experiment);
    /// Columns in which cells can differ.
    bool isTold(int column) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    bool scoresText(const CellResult& result) const;
    QString text(const CellResult& result, int column) const;
    QVariant sortValue(const CellResult& result, int column) const;
    QString tip(const CellResult& result, int column) const;

    ExperimentPointer m_experiment;
};

}  // namespace mixoscope
