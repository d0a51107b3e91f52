// The probes' checks of themselves, a row each; one that has not run is never called good.
#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "probes/checks.h"

namespace mixoscope {

class ChecksModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { kState, kName, kEquation, kColumns };

    using QAbstractTableModel::QAbstractTableModel;

    void setChecks(std::vector<CheckResult> checks);
    const std::vector<CheckResult>& checks() const { return m_checks; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    std::vector<CheckResult> m_checks;
};

enum class ChecksVerdict { kNotRun, kHold, kBroken };
struct ChecksSummary {
    ChecksVerdict verdict = ChecksVerdict::kNotRun;
    QString text;  // "5 of 5 hold", "1 broken", "not run yet"
};
ChecksSummary summarise(const std::vector<CheckResult>& checks);

}  // namespace mixoscope
