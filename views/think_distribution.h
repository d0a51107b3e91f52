// How long the policies think at one budget: for each length, the share of runs that thought no longer.
#pragma once

#include "views/experiment_chart.h"

namespace mixoscope {

class ThinkDistribution : public ExperimentChart {
    Q_OBJECT

public:
    explicit ThinkDistribution(ExperimentSelection& selection, QWidget* parent = nullptr);

    QString viewName() const override;
    QString viewTitle() const override;
    QString csv() const override;

protected:
    std::vector<Mark> paintChart(QPainter& painter, const QRectF& area) override;

private:
    /// Thinking tokens of the runs, ascending.
    std::vector<std::int32_t> lengths(std::size_t cell) const;
};

}  // namespace mixoscope
