// Accuracy against what it costs: a point a cell, with the front of those that no other one beats.
#pragma once

#include "views/experiment_chart.h"

class QButtonGroup;

namespace mixoscope {

/// What stands on the horizontal axis.
enum class CostMeasure { kTokensPerSecond, kLatency };

class AccuracyCostChart : public ExperimentChart {
    Q_OBJECT

public:
    explicit AccuracyCostChart(ExperimentSelection& selection, QWidget* parent = nullptr);

    CostMeasure measure() const { return m_measure; }
    void setMeasure(CostMeasure measure);
    /// Whether the measure can be chosen in the chart itself; not in a picture on paper.
    void setChoiceOffered(bool offered);
    /// Cells that no other finished one beats, of those shown.
    std::vector<std::size_t> front() const;

    QString viewName() const override;
    QString viewTitle() const override;
    QString csv() const override;

protected:
    std::vector<Mark> paintChart(QPainter& painter, const QRectF& area) override;
    EmptyState emptyState() const override;
    void resizeEvent(QResizeEvent* event) override;

private:
    struct Point {
        std::size_t cell = 0;
        std::size_t policy = 0;
        std::size_t place = 0;
    };
    std::vector<Point> points() const;
    std::vector<std::size_t> frontOf(const std::vector<Point>& points) const;
    double cost(std::size_t cell) const;
    void paintFront(QPainter& painter, const QRectF& plot, const std::vector<QPointF>& corners) const;

    CostMeasure m_measure = CostMeasure::kTokensPerSecond;
    bool m_choice_offered = true;
    QWidget* m_choice;
    QButtonGroup* m_measures;
};

}  // namespace mixoscope
