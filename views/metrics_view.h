// The table of a comparison as a panel: a row a lane, differences to the baseline below the values, the best marked.
#pragma once

#include <QAbstractTableModel>
#include <QWidget>
#include <memory>

#include "views/comparison_metrics.h"
#include "views/exportable_view.h"

class QLabel;
class QTableView;

namespace mixoscope {

class MetricsModel : public QAbstractTableModel {
    Q_OBJECT

public:
    using QAbstractTableModel::QAbstractTableModel;

    void setTable(MetricTable table);
    const MetricTable& table() const { return m_table; }
    const MetricCell& cell(const QModelIndex& index) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    MetricTable m_table;
};

class MetricsView : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit MetricsView(QWidget* parent = nullptr);

    void setComparison(const std::shared_ptr<const ComparisonSnapshot>& comparison);
    const MetricTable& table() const { return m_model->table(); }

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    void placeCorner();

    MetricsModel* m_model;
    QTableView* m_view;
    QLabel* m_corner;
    QLabel* m_source;
};

}  // namespace mixoscope
