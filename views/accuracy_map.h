// Accuracy of every policy at every budget as a map with its numbers.
#pragma once

#include "views/experiment_chart.h"

namespace mixoscope {

class AccuracyMap : public ExperimentChart {
    Q_OBJECT

public:
    explicit AccuracyMap(ExperimentSelection& selection, QWidget* parent = nullptr);

    QString viewName() const override;
    QString viewTitle() const override;
    QString csv() const override;

protected:
    std::vector<Mark> paintChart(QPainter& painter, const QRectF& area) override;

private:
    void paintCell(QPainter& painter, const QRectF& box, std::size_t cell) const;
};

}  // namespace mixoscope
