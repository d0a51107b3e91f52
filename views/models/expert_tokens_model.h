// The tokens that an expert got, a row each, with the text around them.
#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "views/expert_data.h"

namespace mixoscope {

class ExpertTokensModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { kPosition, kContext, kPhase, kRank, kWeight, kColumns };
    enum Role { kBeforeRole = Qt::UserRole, kTokenRole, kAfterRole, kSortRole };

    using QAbstractTableModel::QAbstractTableModel;

    /// Shows these rows of the history; those that only follow the ones shown are added at the end.
    void show(const History& history, const std::vector<ExpertHit>& hits);
    const std::vector<ExpertHit>& hits() const { return m_hits; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QString text(std::int32_t first, std::int32_t end) const;
    QVariant display(const ExpertHit& hit, int column) const;

    History m_history;
    std::vector<ExpertHit> m_hits;
};

}  // namespace mixoscope
