#include "views/load_chart.h"

#include <QBarSeries>
#include <QBarSet>
#include <QChart>
#include <QComboBox>
#include <QContextMenuEvent>
#include <QGraphicsRectItem>
#include <QGraphicsSimpleTextItem>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineSeries>
#include <QStackedWidget>
#include <QToolTip>
#include <QVBoxLayout>
#include <QValueAxis>
#include <algorithm>
#include <cmath>

#include "views/axis_ticks.h"
#include "views/chart_frame.h"
#include "views/chart_refresh.h"
#include "views/empty_page.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kFactRows = 7;

LayerLoad loadOf(const LaneSnapshot& lane, LoadWindow window, TokenRange range, std::int32_t turn, std::int32_t layer) {
    switch (window) {
        case LoadWindow::kAll:
            return lane.load->allPhases(layer);
        case LoadWindow::kPrompt:
            return lane.load->layer(Phase::kPrompt, layer);
        case LoadWindow::kThinking:
            return lane.load->layer(Phase::kThinking, layer);
        case LoadWindow::kAnswer:
            return lane.load->layer(Phase::kAnswer, layer);
        case LoadWindow::kRange:
            break;
    }
    const History& history = shownHistory(&lane, turn);
    return loadOverRange(history, layer, range.first, std::min(range.last, history.rowCount()));
}

QColor barColour(LoadWindow window) {
    switch (window) {
        case LoadWindow::kPrompt:
            return phaseColour(Phase::kPrompt);
        case LoadWindow::kThinking:
            return phaseColour(Phase::kThinking);
        case LoadWindow::kAnswer:
            return phaseColour(Phase::kAnswer);
        default:
            return colours().muted_text;
    }
}

}  // namespace

std::vector<BalanceMeasures> measureLayers(const LaneSnapshot& lane, LoadWindow window, TokenRange range,
                                           std::vector<std::int64_t>& rows, std::int32_t turn) {
    std::vector<BalanceMeasures> measures;
    rows.clear();
    if (lane.load == nullptr || (window == LoadWindow::kRange && range.isEmpty())) return measures;
    std::int64_t all_rows = 0;
    for (std::int32_t layer = 0; layer < lane.load->layers(); ++layer) {
        const LayerLoad load = loadOf(lane, window, range, turn, layer);
        measures.push_back(measureBalance(load));
        rows.push_back(load.rows);
        all_rows += load.rows;
    }
    if (all_rows == 0) measures.clear();
    return measures;
}

double metricValue(const BalanceMeasures& measures, LoadMetric metric) {
    switch (metric) {
        case LoadMetric::kCv:
            return measures.cv;
        case LoadMetric::kMaxViolation:
            return measures.max_violation;
        case LoadMetric::kGini:
            return measures.gini;
        case LoadMetric::kNormalisedEntropy:
            break;
    }
    return measures.normalised_entropy;
}

LoadChart::LoadChart(Selection& selection, QWidget* parent) : QWidget(parent), m_selection(selection) {
    setObjectName(u"loadChart"_s);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    makeChart();
    m_facts = makeFacts();
    auto* page = new QWidget(this);
    auto* row = new QHBoxLayout(page);
    row->setContentsMargins(4, 0, 10, 4);
    row->setSpacing(8);
    row->addWidget(m_frame, 1);
    row->addWidget(m_facts, 0, Qt::AlignTop);
    m_pages = new QStackedWidget(this);
    m_pages->addWidget(new EmptyPage({.icon = u"balance"_s,
                                      .title = tr("Nothing to balance yet"),
                                      .text = tr("Appears with the first token of this window, next to the floor that "
                                                 "pure chance would give.")},
                                     this));
    m_pages->addWidget(page);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(makeControls());
    column->addWidget(m_pages, 1);
    m_timer.setSingleShot(true);
    connect(&m_timer, &QTimer::timeout, this, &LoadChart::refresh);
    connect(&m_selection, &Selection::layerChanged, this, [this] { refresh(); });
    connect(&m_selection, &Selection::rangeChanged, this, [this] {
        if (m_window == LoadWindow::kRange) refresh();
    });
    connect(&m_selection, &Selection::laneChanged, this, [this] { refresh(); });
    restyle();
}

QWidget* LoadChart::makeControls() {
    auto* holder = new QWidget(this);
    auto* row = new QHBoxLayout(holder);
    row->setContentsMargins(10, 6, 10, 2);
    row->setSpacing(8);
    const auto caption = [&](const QString& text) {
        auto* label = new QLabel(text, holder);
        label->setProperty("role", u"muted"_s);
        row->addWidget(label);
    };
    caption(tr("Window"));
    m_window_choice = new QComboBox(holder);
    m_window_choice->setObjectName(u"loadWindow"_s);
    m_window_choice->setAccessibleName(tr("Rows counted"));
    m_window_choice->setToolTip(tr("Choose which rows are counted; phases cover all turns of the conversation"));
    for (const auto& name : {tr("all rows"), tr("prompt"), tr("thinking"), tr("answer"), tr("selected range")}) {
        m_window_choice->addItem(name);
    }
    row->addWidget(m_window_choice);
    caption(tr("Metric"));
    m_metric_choice = new QComboBox(holder);
    m_metric_choice->setObjectName(u"loadMetric"_s);
    m_metric_choice->setAccessibleName(tr("Measure of balance"));
    m_metric_choice->setToolTip(tr("Choose the measure of balance"));
    for (const auto& name : {tr("CV"), tr("MaxVio"), tr("Gini"), tr("entropy")}) m_metric_choice->addItem(name);
    row->addWidget(m_metric_choice);
    row->addStretch(1);
    connect(m_window_choice, &QComboBox::currentIndexChanged, this,
            [this](int index) { setWindow(static_cast<LoadWindow>(index)); });
    connect(m_metric_choice, &QComboBox::currentIndexChanged, this,
            [this](int index) { setMetric(static_cast<LoadMetric>(index)); });
    return holder;
}

void LoadChart::makeChart() {
    m_frame = new ChartFrame(this);
    m_frame->setAccessibleName(tr("Load balance by layer"));
    m_series = new QBarSeries(this);
    m_series->setBarWidth(0.7);
    m_bars = new QBarSet(tr("load"));
    m_series->append(m_bars);
    m_floor = new QLineSeries(this);
    QChart* chart = m_frame->chart();
    chart->addSeries(m_series);
    chart->addSeries(m_floor);
    m_layers_axis = new QValueAxis(this);
    m_layers_axis->setTitleText(tr("MoE layer"));
    m_layers_axis->setLabelFormat(u"%d"_s);
    m_layers_axis->setTickType(QValueAxis::TicksDynamic);
    m_layers_axis->setTickAnchor(0.0);
    m_values_axis = new QValueAxis(this);
    chart->addAxis(m_layers_axis, Qt::AlignBottom);
    chart->addAxis(m_values_axis, Qt::AlignLeft);
    for (QAbstractSeries* series : {static_cast<QAbstractSeries*>(m_series), static_cast<QAbstractSeries*>(m_floor)}) {
        series->attachAxis(m_layers_axis);
        series->attachAxis(m_values_axis);
    }
    m_floor_plate = new QGraphicsRectItem(chart);
    m_floor_plate->setZValue(19);
    m_floor_plate->setPen(Qt::NoPen);
    m_floor_label = new QGraphicsSimpleTextItem(chart);
    m_floor_label->setZValue(20);
    m_floor_label->setFont(textFont(font_size::kCaption, QFont::DemiBold));
    connect(m_bars, &QBarSet::clicked, this, [this](int index) { m_selection.setLayer(index); });
    connect(m_bars, &QBarSet::hovered, this, [this](bool over, int index) {
        if (!over || static_cast<std::size_t>(index) >= m_measures.size()) return QToolTip::hideText();
        const BalanceMeasures& measures = m_measures[static_cast<std::size_t>(index)];
        QToolTip::showText(
            QCursor::pos(),
            tr("Layer %1: %2 %3 over T = %4 rows, CV floor %5\nClick selects the layer")
                .arg(modelLayer(m_snapshot, index))
                .arg(metricName(), format::balance(metricValue(measures, m_metric)),
                     format::count(m_rows[static_cast<std::size_t>(index)]), format::balance(measures.cv_floor)),
            m_frame);
    });
    connect(chart, &QChart::plotAreaChanged, this, &LoadChart::placeFloorLabel);
    connect(m_frame, &ChartFrame::plotResized, this, &LoadChart::fitAxes);
    connect(m_frame, &ChartFrame::themeChanged, this, &LoadChart::restyle);
}

QWidget* LoadChart::makeFacts() {
    auto* holder = new QWidget(this);
    holder->setFixedWidth(218);
    auto* grid = new QGridLayout(holder);
    grid->setContentsMargins(0, 4, 0, 0);
    grid->setVerticalSpacing(3);
    m_facts_title = new QLabel(holder);
    m_facts_title->setObjectName(u"loadFactsTitle"_s);
    m_facts_title->setProperty("role", u"section"_s);
    m_facts_title->setFont(textFont(font_size::kTable, QFont::DemiBold));
    grid->addWidget(m_facts_title, 0, 0, 1, 3);
    const QString names[kFactRows] = {tr("CV"),      tr("Excess CV"), tr("MaxVio"),   tr("Gini"),
                                      tr("Entropy"), tr("Unseen"),    tr("Aux. loss")};
    for (int i = 0; i < kFactRows; ++i) {
        auto* name = new QLabel(names[i], holder);
        name->setFont(textFont(font_size::kTable));
        name->setProperty("role", u"muted"_s);
        auto* value = new QLabel(holder);
        value->setFont(monoFont());
        value->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
        auto* remark = new QLabel(holder);
        remark->setObjectName(u"loadRemark%1"_s.arg(i));
        remark->setProperty("role", u"caption"_s);
        grid->addWidget(name, i + 1, 0);
        grid->addWidget(value, i + 1, 1);
        grid->addWidget(remark, i + 1, 2);
        m_fact_rows.emplace_back(value, remark);
    }
    grid->setColumnStretch(2, 1);
    grid->setColumnMinimumWidth(1, 56);
    return holder;
}

void LoadChart::setSnapshot(const SnapshotPointer& snapshot) {
    const bool first = m_measures.empty();
    m_snapshot = snapshot;
    if (first) {
        refresh();
    } else {
        requestRefresh();
    }
}

void LoadChart::requestRefresh() {
    if (isVisible() && !m_timer.isActive()) m_timer.start(kChartRefreshMs);
}

void LoadChart::setWindow(LoadWindow window) {
    m_window = window;
    m_window_choice->setCurrentIndex(static_cast<int>(window));
    restyle();
    refresh();
}

void LoadChart::setMetric(LoadMetric metric) {
    m_metric = metric;
    m_metric_choice->setCurrentIndex(static_cast<int>(metric));
    refresh();
}

void LoadChart::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh();
}

void LoadChart::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    m_facts->setVisible(width() >= 460);
}

void LoadChart::refresh() {
    const LaneSnapshot* lane = findLane(m_snapshot, m_selection.lane());
    m_measures = lane == nullptr ? std::vector<BalanceMeasures>{}
                                 : measureLayers(*lane, m_window, m_selection.range(), m_rows, m_selection.turn());
    m_pages->setCurrentIndex(m_measures.empty() ? 0 : 1);
    if (m_measures.empty()) return;
    refreshChart();
    refreshFacts();
}

void LoadChart::refreshChart() {
    const auto layers = static_cast<int>(m_measures.size());
    QList<qreal> values;
    for (const BalanceMeasures& measures : m_measures) {
        const double value = metricValue(measures, m_metric);
        values << (std::isnan(value) ? 0.0 : value);
    }
    if (m_bars->count() != layers) {
        m_bars->remove(0, m_bars->count());
        m_bars->append(values);
    } else {
        for (int i = 0; i < layers; ++i) m_bars->replace(i, values[i]);
    }
    m_bars->deselectAllBars();
    if (m_selection.layer() < layers) m_bars->selectBar(m_selection.layer());
    QList<QPointF> floor;
    if (m_metric == LoadMetric::kCv) {
        for (int i = 0; i < layers; ++i) {
            const double value = m_measures[static_cast<std::size_t>(i)].cv_floor;
            if (std::isnan(value)) continue;
            floor << QPointF(i == 0 ? -0.5 : i, value);
            if (i + 1 == layers) floor << QPointF(i + 0.5, value);
        }
    }
    m_floor->replace(floor);
    m_floor->setVisible(!floor.isEmpty());
    m_values_axis->setTitleText(tr("%1 of load").arg(metricName()));
    m_layers_axis->setRange(-0.5, layers - 0.5);
    fitAxes();
}

void LoadChart::fitAxes() {
    const int layers = m_bars->count();
    double highest = m_metric == LoadMetric::kGini || m_metric == LoadMetric::kNormalisedEntropy ? 1.0 : 0.01;
    for (int i = 0; i < layers; ++i) highest = std::max(highest, m_bars->at(i));
    for (const QPointF& point : m_floor->points()) highest = std::max(highest, point.y());
    m_frame->fitValueAxis(*m_values_axis, highest);
    const auto ticks = idTicks(layers, m_frame->chart()->plotArea().width() / std::max(layers, 1), 34.0);
    m_layers_axis->setTickInterval(ticks.size() > 1 ? ticks[1] - ticks[0] : 1);
    placeFloorLabel();
}

void LoadChart::placeFloorLabel() {
    if (m_measures.empty()) return;
    const auto layer = std::min(static_cast<std::size_t>(m_selection.layer()), m_measures.size() - 1);
    const double floor = m_measures[layer].cv_floor;
    const bool on_axis = m_metric == LoadMetric::kCv;
    m_floor_label->setText(
        on_axis
            ? u"\u2505 "_s + tr("sampling floor %1 (T = %2)").arg(format::balance(floor), format::count(m_rows[layer]))
            : tr("T = %1, CV floor %2").arg(format::count(m_rows[layer]), format::balance(floor)));
    const QRectF plot = m_frame->chart()->plotArea();
    const QRectF text = m_floor_label->boundingRect();
    // Above the plot: beside its line it would lie over the bars.
    m_floor_label->setPos(plot.right() - text.width() - 2.0, std::max(plot.top() - text.height(), 2.0));
    m_floor_plate->setRect(m_floor_label->sceneBoundingRect().adjusted(-4.0, -1.0, 3.0, 1.0));
}

void LoadChart::refreshFacts() {
    const std::int32_t layer = m_selection.layer();
    if (static_cast<std::size_t>(layer) >= m_measures.size()) return;
    const BalanceMeasures& measures = m_measures[static_cast<std::size_t>(layer)];
    const LaneSnapshot* lane = findLane(m_snapshot, m_selection.lane());
    const std::int32_t experts = lane->history.shape().experts;
    m_facts_title->setText(tr("Layer %1, %2, T = %3")
                               .arg(modelLayer(m_snapshot, layer))
                               .arg(windowName(), format::count(m_rows[static_cast<std::size_t>(layer)])));
    const std::pair<QString, QString> rows[kFactRows] = {
        {format::balance(measures.cv), tr("floor %1").arg(format::balance(measures.cv_floor))},
        {format::balance(measures.excess_cv), tr("above chance")},
        {format::balance(measures.max_violation), tr("max / mean − 1")},
        {format::balance(measures.gini), tr("0 = even")},
        {format::fixed(measures.normalised_entropy, 3), tr("1 = even")},
        {format::count(measures.unseen),
         measures.dead_rule_applies ? tr("of %1, dead").arg(experts) : tr("of %1").arg(experts)},
        {format::balance(measures.auxiliary_product),
         std::isnan(measures.auxiliary_product) ? tr("not recorded") : tr("1 = balanced")},
    };
    for (int i = 0; i < kFactRows; ++i) {
        m_fact_rows[static_cast<std::size_t>(i)].first->setText(rows[i].first);
        m_fact_rows[static_cast<std::size_t>(i)].second->setText(rows[i].second);
    }
    m_fact_rows[5].second->setToolTip(
        tr("Called dead only if T ≥ 128 and chance alone would leave fewer than 0.05 experts unseen"));
    m_fact_rows[6].second->setToolTip(tr("N Σ f P / k needs the full router distributions"));
    if (measures.unseen == 0) m_fact_rows[5].second->setText(tr("of %1").arg(experts));
}

void LoadChart::restyle() {
    QColor bar = barColour(m_window);
    bar.setAlphaF(0.78F);
    m_bars->setColor(bar);
    m_bars->setBorderColor(Qt::transparent);
    m_bars->setSelectedColor(colours().accent);
    QPen dashed(colours().text, 1.5);
    dashed.setDashPattern({4.0, 2.0});
    m_floor->setPen(dashed);
    m_floor_label->setBrush(colours().text);
    m_floor_plate->setBrush(colours().base);
    m_frame->applyTheme();
}

QString LoadChart::windowName() const {
    return m_window_choice == nullptr ? QString() : m_window_choice->itemText(static_cast<int>(m_window));
}

QString LoadChart::metricName() const {
    return m_metric_choice == nullptr ? QString() : m_metric_choice->itemText(static_cast<int>(m_metric));
}

void LoadChart::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

QString LoadChart::viewName() const {
    return u"load-balance"_s;
}

QString LoadChart::viewTitle() const {
    return tr("Load balance");
}

QImage LoadChart::renderToImage(qreal scale) {
    refresh();
    return renderWidget(*this, scale);
}

QString LoadChart::csv() const {
    QString text =
        u"layer,window,rows,cv,cv_floor,excess_cv,max_violation,gini,normalised_entropy,auxiliary_product,unseen\n"_s;
    for (std::size_t layer = 0; layer < m_measures.size(); ++layer) {
        const BalanceMeasures& m = m_measures[layer];
        QStringList fields{QString::number(modelLayer(m_snapshot, static_cast<std::int32_t>(layer))),
                           csvField(windowName()),
                           QString::number(m_rows[layer]),
                           csvNumber(m.cv),
                           csvNumber(m.cv_floor),
                           csvNumber(m.excess_cv),
                           csvNumber(m.max_violation),
                           csvNumber(m.gini),
                           csvNumber(m.normalised_entropy),
                           csvNumber(m.auxiliary_product),
                           QString::number(m.unseen)};
        text += fields.join(u',') + u'\n';
    }
    return text;
}

}  // namespace mixoscope
