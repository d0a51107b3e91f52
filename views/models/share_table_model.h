// Shares as rows: how many of how many, as a bar beside what chance would give, and the same of a second expert.
#pragma once

#include <QAbstractTableModel>
#include <QStyledItemDelegate>
#include <limits>
#include <vector>

namespace mixoscope {

struct ShareRow {
    QString name;
    std::int64_t part = 0;
    std::int64_t whole = 0;  // 0: there are no such rows
    double share = std::numeric_limits<double>::quiet_NaN();
    double chance = std::numeric_limits<double>::quiet_NaN();
    double other = std::numeric_limits<double>::quiet_NaN();  // of the second expert
    std::int32_t expert = -1;                                 // that a double click opens
    QString tip;
};

class ShareTableModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { kName, kCounts, kBar, kShare, kOther, kChance, kColumns };

    explicit ShareTableModel(const QString& name_title, QObject* parent = nullptr);

    void show(std::vector<ShareRow> rows);
    const std::vector<ShareRow>& rows() const { return m_rows; }
    /// Value at the right end of a bar.
    double scale() const { return m_scale; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QString m_name_title;
    std::vector<ShareRow> m_rows;
    double m_scale = 1.0;
};

/// Paints a row's share as a bar, the second expert's below it, and chance as a dashed line across both.
class ShareBarDelegate : public QStyledItemDelegate {
    Q_OBJECT

public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

}  // namespace mixoscope
