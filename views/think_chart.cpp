#include "views/think_chart.h"

#include <QBarSeries>
#include <QBarSet>
#include <QChart>
#include <QContextMenuEvent>
#include <QGraphicsSimpleTextItem>
#include <QLegend>
#include <QLineSeries>
#include <QStackedWidget>
#include <QToolTip>
#include <QVBoxLayout>
#include <QValueAxis>
#include <algorithm>
#include <cmath>

#include "engine/unrecorded.h"
#include "views/axis_ticks.h"
#include "views/chart_frame.h"
#include "views/chart_refresh.h"
#include "views/empty_page.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

}  // namespace

ThinkChart::ThinkChart(Selection& selection, QWidget* parent) : QWidget(parent), m_selection(selection) {
    setObjectName(u"thinkChart"_s);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    m_frame = new ChartFrame(this);
    m_frame->setAccessibleName(tr("Think length by turn"));
    QChart* chart = m_frame->chart();
    m_series = new QBarSeries(this);
    m_series->setBarWidth(0.55);
    m_bars = new QBarSet(tr("N, thinking tokens"));
    m_series->append(m_bars);
    m_budgets = new QLineSeries(this);
    m_budgets->setName(tr("B, budget at the end of the turn"));
    chart->addSeries(m_series);
    chart->addSeries(m_budgets);
    m_turns_axis = new QValueAxis(this);
    m_turns_axis->setTitleText(tr("Turn"));
    m_turns_axis->setLabelFormat(u"%d"_s);
    m_turns_axis->setTickType(QValueAxis::TicksDynamic);
    m_turns_axis->setTickAnchor(0.0);
    m_tokens_axis = new QValueAxis(this);
    m_tokens_axis->setTitleText(tr("Tokens in the think block"));
    chart->addAxis(m_turns_axis, Qt::AlignBottom);
    chart->addAxis(m_tokens_axis, Qt::AlignLeft);
    for (QAbstractSeries* series :
         {static_cast<QAbstractSeries*>(m_series), static_cast<QAbstractSeries*>(m_budgets)}) {
        series->attachAxis(m_turns_axis);
        series->attachAxis(m_tokens_axis);
    }
    chart->legend()->show();
    chart->legend()->setAlignment(Qt::AlignTop);
    chart->legend()->setFont(textFont(font_size::kCaption));

    m_pages = new QStackedWidget(this);
    m_pages->addWidget(
        new EmptyPage({.icon = u"clock"_s,
                       .title = tr("No turns yet"),
                       .text = tr("Send a message: each turn adds a bar with the tokens it thought, next to "
                                  "its budget.")},
                      this));
    m_pages->addWidget(m_frame);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(4, 4, 8, 4);
    layout->addWidget(m_pages);
    m_timer.setSingleShot(true);
    connect(&m_timer, &QTimer::timeout, this, &ThinkChart::refresh);
    connect(&m_selection, &Selection::laneChanged, this, &ThinkChart::refresh);
    connect(chart, &QChart::plotAreaChanged, this, &ThinkChart::placeLabels);
    connect(m_frame, &ChartFrame::plotResized, this, &ThinkChart::fitAxes);
    connect(m_frame, &ChartFrame::themeChanged, this, &ThinkChart::restyle);
    connect(m_bars, &QBarSet::clicked, this,
            [this](int index) { m_selection.setTurn(index + 1 == static_cast<int>(turns().size()) ? -1 : index); });
    connect(m_bars, &QBarSet::hovered, this, [this](bool over, int index) {
        if (!over || static_cast<std::size_t>(index) >= turns().size()) return QToolTip::hideText();
        QToolTip::showText(QCursor::pos(), describe(turns()[static_cast<std::size_t>(index)], index), m_frame);
    });
    restyle();
}

const std::vector<TurnFacts>& ThinkChart::turns() const {
    static const std::vector<TurnFacts> none;
    const LaneSnapshot* lane = findLane(m_snapshot, m_selection.lane());
    return lane == nullptr ? none : lane->turns;
}

QString ThinkChart::describe(const TurnFacts& turn, int index) {
    const QString how = turn.closed_by_budget ? tr("closed by the budget")
                        : turn.closed_by_hand ? tr("closed by hand")
                        : turn.block_closed   ? tr("closed by the model")
                        : turn.block_opened   ? tr("not closed")
                                              : tr("no think block");
    return tr("Turn %1: N = %2, B = %3, %4\nClick shows this turn")
        .arg(QString::number(index), format::count(turn.thinking_tokens), format::budget(turn.budget_at_end), how);
}

void ThinkChart::setSnapshot(const SnapshotPointer& snapshot) {
    m_snapshot = snapshot;
    if (static_cast<int>(turns().size()) != m_bars->count()) {
        refresh();
    } else if (isVisible() && !m_timer.isActive()) {
        m_timer.start(kChartRefreshMs);
    }
}

void ThinkChart::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh();
}

void ThinkChart::refresh() {
    const auto& all = turns();
    m_pages->setCurrentIndex(all.empty() ? 0 : 1);
    QList<qreal> lengths;
    for (const TurnFacts& turn : all) lengths << turn.thinking_tokens;
    if (m_bars->count() == lengths.size()) {
        for (int i = 0; i < lengths.size(); ++i) m_bars->replace(i, lengths[i]);
    } else {
        m_bars->remove(0, m_bars->count());
        m_bars->append(lengths);
    }
    fitAxes();
}

void ThinkChart::fitAxes() {
    const auto& all = turns();
    double highest = 1.0;
    for (const TurnFacts& turn : all) {
        highest = std::max<double>(highest, turn.thinking_tokens);
        if (turn.budget_at_end != kUnlimitedBudget) highest = std::max<double>(highest, turn.budget_at_end);
    }
    // Room above for unlimited budgets, which have no number.
    const ValueScale scale = m_frame->fitValueAxis(*m_tokens_axis, highest * 1.12);
    QList<QPointF> steps;
    const bool known = std::ranges::find(all, kUnknownBudget, &TurnFacts::budget_at_end) == all.end();
    for (std::size_t i = 0; known && i < all.size(); ++i) {
        const bool unlimited = all[i].budget_at_end == kUnlimitedBudget;
        const double budget = unlimited ? scale.high : all[i].budget_at_end;
        steps << QPointF(static_cast<double>(i) - 0.5, budget) << QPointF(static_cast<double>(i) + 0.5, budget);
    }
    m_budgets->replace(steps);
    // A single turn as one bar across the whole chart would look like an error.
    const auto shown = std::max<double>(static_cast<double>(all.size()), 6.0);
    m_turns_axis->setRange(-0.5, shown - 0.5);
    m_turns_axis->setTickInterval(std::max(1.0, roundUp125(shown / 12.0)));
    placeLabels();
}

void ThinkChart::placeLabels() {
    const auto& all = turns();
    while (m_labels.size() < all.size()) {
        m_labels.push_back(new QGraphicsSimpleTextItem(m_frame->chart()));
        m_labels.back()->setFont(textFont(font_size::kTick));
        m_labels.back()->setBrush(colours().muted_text);
        m_labels.back()->setZValue(20);
    }
    const QRectF plot = m_frame->chart()->plotArea();
    const double turn_width = plot.width() / (m_turns_axis->max() - m_turns_axis->min());
    for (std::size_t i = 0; i < m_labels.size(); ++i) {
        QGraphicsSimpleTextItem* label = m_labels[i];
        // Between a new turn and the next refresh() there are more turns than steps.
        const bool has_step = i < all.size() && static_cast<int>(2 * i) < m_budgets->count();
        label->setVisible(has_step);
        if (!has_step) continue;
        label->setText(u"B %1"_s.arg(format::budgetOnAxis(all[i].budget_at_end)));
        const QPointF place = m_frame->chart()->mapToPosition(
            QPointF(static_cast<double>(i), m_budgets->at(static_cast<int>(2 * i)).y()), m_budgets);
        label->setVisible(label->boundingRect().width() < turn_width - 2.0);
        const double above = place.y() - label->boundingRect().height() - 1.0;
        label->setPos(place.x() - label->boundingRect().width() / 2.0, above < plot.top() ? place.y() + 2.0 : above);
    }
}

void ThinkChart::restyle() {
    m_bars->setColor(phaseColour(Phase::kThinking));
    m_bars->setBorderColor(Qt::transparent);
    QPen dashed(colours().series[1], 2.0);
    dashed.setDashPattern({3.5, 1.5});
    m_budgets->setPen(dashed);
    for (QGraphicsSimpleTextItem* label : m_labels) label->setBrush(colours().muted_text);
    m_frame->chart()->legend()->setLabelColor(colours().text);
    m_frame->applyTheme();
}

void ThinkChart::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

QString ThinkChart::viewName() const {
    return u"think-length"_s;
}

QString ThinkChart::viewTitle() const {
    return tr("Think length");
}

QImage ThinkChart::renderToImage(qreal scale) {
    refresh();
    return renderWidget(*this, scale);
}

QString ThinkChart::csv() const {
    QString text = u"turn,thinking_tokens,budget,answer_tokens,injected_tokens,closed_by\n"_s;
    int index = 0;
    for (const TurnFacts& turn : turns()) {
        const QString closed = turn.closed_by_budget ? u"budget"_s
                               : turn.closed_by_hand ? u"hand"_s
                               : turn.block_closed   ? u"model"_s
                                                     : QString();
        text += u"%1,%2,%3,%4,%5,%6\n"_s.arg(index++)
                    .arg(turn.thinking_tokens)
                    .arg(csvBudget(turn.budget_at_end))
                    .arg(turn.answer_tokens)
                    .arg(turn.injected_tokens)
                    .arg(closed);
    }
    return text;
}

}  // namespace mixoscope
