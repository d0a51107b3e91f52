// Accuracy against the thinking budget: a line a policy with Wilson's intervals.
#pragma once

#include "views/experiment_chart.h"

namespace mixoscope {

class AccuracyBudgetChart : public ExperimentChart {
    Q_OBJECT

public:
    explicit AccuracyBudgetChart(ExperimentSelection& selection, QWidget* parent = nullptr);

    QString viewName() const override;
    QString viewTitle() const override;
    QString csv() const override;

protected:
    std::vector<Mark> paintChart(QPainter& painter, const QRectF& area) override;
    EmptyState emptyState() const override;
};

}  // namespace mixoscope
