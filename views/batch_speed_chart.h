// Speed against the number of runs in a batch, a line a policy: what sharing steps costs a run and gives the batch.
#pragma once

#include "views/experiment_chart.h"

class QButtonGroup;

namespace mixoscope {

enum class SpeedMeasure { kTimePerToken, kTokensPerSecond };

class BatchSpeedChart : public ExperimentChart {
    Q_OBJECT

public:
    explicit BatchSpeedChart(ExperimentSelection& selection, QWidget* parent = nullptr);

    SpeedMeasure measure() const { return m_measure; }
    void setMeasure(SpeedMeasure measure);
    /// Whether the measure can be chosen in the chart itself; not in a picture on paper.
    void setChoiceOffered(bool offered);

    QString viewName() const override;
    QString viewTitle() const override;
    QString csv() const override;

protected:
    std::vector<Mark> paintChart(QPainter& painter, const QRectF& area) override;
    EmptyState emptyState() const override;
    void resizeEvent(QResizeEvent* event) override;

private:
    /// A value and between what values eight of ten runs lie.
    struct Range {
        double value = 0.0;
        double low = 0.0;
        double high = 0.0;
    };
    Range rangeOf(std::size_t cell) const;
    /// The results of a policy at the shown place, by batch size, ascending; without those that have no value.
    std::vector<std::pair<std::int32_t, std::size_t>> points(std::size_t policy, std::size_t place) const;

    SpeedMeasure m_measure = SpeedMeasure::kTimePerToken;
    bool m_choice_offered = true;
    QWidget* m_choice;
    QButtonGroup* m_measures;
};

}  // namespace mixoscope
