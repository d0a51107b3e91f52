// Load balance: a measure for every MoE layer beside what a random router would show, and the numbers of one layer.
#pragma once

#include <QTimer>
#include <QWidget>
#include <vector>

#include "probes/load.h"
#include "views/bridge.h"
#include "views/exportable_view.h"
#include "views/selection.h"

QT_BEGIN_NAMESPACE
class QBarSeries;
class QBarSet;
class QComboBox;
class QGraphicsRectItem;
class QGraphicsSimpleTextItem;
class QLabel;
class QLineSeries;
class QStackedWidget;
class QValueAxis;
QT_END_NAMESPACE

namespace mixoscope {

class ChartFrame;

/// Which rows a balance figure covers.
enum class LoadWindow : std::uint8_t { kAll, kPrompt, kThinking, kAnswer, kRange };
enum class LoadMetric : std::uint8_t { kCv, kMaxViolation, kGini, kNormalisedEntropy };

/// Measures of every layer over a window; empty if it has no rows.
/// `turn`: the one whose positions the range means, −1 the newest.
std::vector<BalanceMeasures> measureLayers(const LaneSnapshot& lane, LoadWindow window, TokenRange range,
                                           std::vector<std::int64_t>& rows, std::int32_t turn = -1);
double metricValue(const BalanceMeasures& measures, LoadMetric metric);

class LoadChart : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit LoadChart(Selection& selection, QWidget* parent = nullptr);
    void setSnapshot(const SnapshotPointer& snapshot);
    void setWindow(LoadWindow window);
    void setMetric(LoadMetric metric);
    /// Brings the chart up to date now instead of at its next tenth of a second.
    void refresh();
    QBarSet& bars() { return *m_bars; }

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;

protected:
    void contextMenuEvent(QContextMenuEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    QWidget* makeControls();
    void makeChart();
    QWidget* makeFacts();
    void requestRefresh();
    void refreshChart();
    void refreshFacts();
    void restyle();
    /// Ranges and labels of the axes, which depend on the size too.
    void fitAxes();
    void placeFloorLabel();
    QString windowName() const;
    QString metricName() const;

    Selection& m_selection;
    SnapshotPointer m_snapshot;
    LoadWindow m_window = LoadWindow::kAll;
    LoadMetric m_metric = LoadMetric::kCv;
    std::vector<BalanceMeasures> m_measures;
    std::vector<std::int64_t> m_rows;  // T of each layer
    QTimer m_timer;

    QComboBox* m_window_choice = nullptr;
    QComboBox* m_metric_choice = nullptr;
    QStackedWidget* m_pages = nullptr;
    ChartFrame* m_frame = nullptr;
    QBarSeries* m_series = nullptr;
    QBarSet* m_bars = nullptr;
    QLineSeries* m_floor = nullptr;
    QValueAxis* m_layers_axis = nullptr;
    QValueAxis* m_values_axis = nullptr;
    QGraphicsRectItem* m_floor_plate = nullptr;  // behind the label, so that it can be read over bars
    QGraphicsSimpleTextItem* m_floor_label = nullptr;
    QWidget* m_facts = nullptr;
    QLabel* m_facts_title = nullptr;
    std::vector<std::pair<QLabel*, QLabel*>> m_fact_rows;  // value, remark
};

}  // namespace mixoscope
