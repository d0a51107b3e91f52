#include "views/batch_speed_chart.h"

#include <QAbstractButton>
#include <QButtonGroup>
#include <QHBoxLayout>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "views/format.h"
#include "views/segments.h"
#include "views/series_plot.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kReach = 9.0;
constexpr double kChoice = 30.0;  // height of the row with the choice
constexpr double kInset = 26.0;   // of the first and last size, so that shifted marks stay inside

}  // namespace

BatchSpeedChart::BatchSpeedChart(ExperimentSelection& selection, QWidget* parent)
    : ExperimentChart(selection, parent), m_choice(new QWidget(this)), m_measures(new QButtonGroup(this)) {
    setObjectName(u"batch_speed"_s);
    setAccessibleName(tr("Speed against batch size"));
    auto* row = new QHBoxLayout(m_choice);
    row->setContentsMargins(0, 0, 0, 0);
    const std::pair<QString, QString> measures[] = {
        {tr("TPOT"), tr("Show the time per token that a run meets: median, and between what values eight of ten lie")},
        {tr("tokens/s"), tr("Show the tokens that the batch generates in a second, and what eight of ten runs met")}};
    addSegments(*m_measures, *row, u"speed_measure_"_s, measures);
    connect(m_measures, &QButtonGroup::idClicked, this, [this](int id) { setMeasure(static_cast<SpeedMeasure>(id)); });
    m_choice->hide();
    connect(&selection, &ExperimentSelection::changed, this,
            [this] { m_choice->setVisible(m_choice_offered && !isEmpty()); });
}

void BatchSpeedChart::setMeasure(SpeedMeasure measure) {
    m_measure = measure;
    m_measures->button(static_cast<int>(measure))->setChecked(true);
    update();
}

void BatchSpeedChart::setChoiceOffered(bool offered) {
    m_choice_offered = offered;
    m_choice->setVisible(offered && !isEmpty());
}

EmptyState BatchSpeedChart::emptyState() const {
    EmptyState empty = ExperimentChart::emptyState();
    if (empty.title.isEmpty() && frame().experiment.lanes.size() < 2)
        empty = {.icon = u"balance"_s,
                 .title = tr("One batch size"),
                 .text = tr("Give the experiment several under Runs in a batch, such as 1, 2, 4, 8, 16, 32.")};
    return empty;
}

BatchSpeedChart::Range BatchSpeedChart::rangeOf(std::size_t cell) const {
    const CellResult& measured = result(cell);
    if (m_measure == SpeedMeasure::kTimePerToken)
        return {measured.tpot_ms.median, measured.tpot_ms.p10, measured.tpot_ms.p90};
    return {measured.tokens_per_s, measured.run_tokens_per_s.p10, measured.run_tokens_per_s.p90};
}

std::vector<std::pair<std::int32_t, std::size_t>> BatchSpeedChart::points(std::size_t policy, std::size_t place) const {
    std::vector<std::pair<std::int32_t, std::size_t>> all;
    if (!selection().slice().at(policy, place)) return all;  // a text has no places
    ExperimentCell choice = selection().choice(policy, selection().slice().places[place]);
    for (const std::int32_t lanes : frame().experiment.lanes) {
        choice.lanes = lanes;
        const auto cell = frame().find(choice);
        if (cell && !std::isnan(rangeOf(*cell).value)) all.emplace_back(lanes, *cell);
    }
    std::ranges::sort(all);
    return all;
}

std::vector<ExperimentChart::Mark> BatchSpeedChart::paintChart(QPainter& painter, const QRectF& area) {
    const std::vector<std::size_t> policies = selection().shownPolicies();
    const std::size_t place = selection().shownPlace();
    std::vector<std::pair<QString, int>> legend;
    double highest = 0.0;
    for (const std::size_t shown : policies) {
        legend.emplace_back(policy(shown), policyTag(shown));
        for (const auto& [lanes, cell] : points(shown, place))
            highest = std::max({highest, rangeOf(cell).value, rangeOf(cell).high});
    }
    const double head = m_choice_offered ? kChoice : 0.0;
    const QRectF plot = plotWithin(paintSeriesLegend(painter, area.adjusted(0, head, 0, 0), legend));

    std::vector<std::int32_t> sizes = frame().experiment.lanes;
    std::ranges::sort(sizes);
    const double inset = std::min(kInset, plot.width() / 4.0);
    const double least = std::log2(sizes.front());
    const double widest = std::log2(sizes.back()) - least;
    const auto along = [&](std::int32_t lanes) {
        return (inset + (std::log2(lanes) - least) / widest * (plot.width() - 2.0 * inset)) / plot.width();
    };
    const bool times = m_measure == SpeedMeasure::kTimePerToken;
    PlotAxes axes{
        .x_title = tr("Runs in a batch (logarithmic), at %1").arg(placeText(selection().slice().places[place])),
        .y_title = times ? tr("Time per token (ms, median)") : tr("Tokens/s of the batch")};
    for (const std::int32_t lanes : sizes) axes.x_ticks.push_back({along(lanes), QString::number(lanes)});
    axes.y = niceScale(0.0, highest > 0.0 ? highest : 1.0, plot.height() < 110.0 ? 2 : 5);
    paintAxes(painter, plot, axes);

    const auto height = [&](double value) { return plot.bottom() - value / axes.y.high * plot.height(); };
    std::vector<Mark> marks;
    for (std::size_t series = 0; series < policies.size(); ++series) {
        const int tag = policyTag(policies[series]);
        const auto all = points(policies[series], place);
        const auto at = [&](const auto& point) {
            return QPointF(plot.left() + along(point.first) * plot.width() + seriesShift(series, policies.size()),
                           height(rangeOf(point.second).value));
        };
        painter.setPen(seriesPen(tag));
        for (std::size_t i = 1; i < all.size(); ++i) painter.drawLine(at(all[i - 1]), at(all[i]));
        for (const auto& point : all) {
            const QPointF mark = at(point);
            const std::size_t cell = point.second;
            paintErrorBar(painter, mark.x(), height(rangeOf(cell).low), height(rangeOf(cell).high), tag);
            paintSeriesMark(painter, mark, tag, !isFinished(result(cell)));
            if (selection().cell() == cell) paintSelectedMark(painter, mark);
            marks.push_back({QRectF(mark.x() - kReach, mark.y() - kReach, 2 * kReach, 2 * kReach), cell});
        }
    }
    if (!m_choice_offered) return marks;
    painter.setPen(colours().muted_text);
    painter.setFont(textFont(font_size::kCaption));
    const double left = m_choice->geometry().right() + 14.0;
    const QRectF note(left, area.top(), area.right() - left - 4.0, kChoice);
    painter.drawText(note, Qt::AlignLeft | Qt::AlignVCenter,
                     painter.fontMetrics().elidedText(tr("Bars: eight of ten runs"), Qt::ElideRight,
                                                      static_cast<int>(note.width())));
    return marks;
}

void BatchSpeedChart::resizeEvent(QResizeEvent* event) {
    ExperimentChart::resizeEvent(event);
    m_choice->adjustSize();
    m_choice->move(10, 5);
}

QString BatchSpeedChart::viewName() const {
    return u"speed-lanes"_s;
}

QString BatchSpeedChart::viewTitle() const {
    return tr("Speed against batch size");
}

QString BatchSpeedChart::csv() const {
    QString text =
        u"task,policy,sampling,mode,budget,lanes,runs,items,tpot_median_ms,tpot_p10_ms,tpot_p90_ms,tokens_per_s,"
        "tokens_per_s_p10,tokens_per_s_p90\n"_s;
    if (!hasResults()) return text;
    const ExperimentSlice& slice = selection().slice();
    for (std::size_t index = 0; index < slice.policies; ++index) {
        for (std::size_t place = 0; place < slice.places.size(); ++place) {
            for (const auto& [lanes, cell] : points(index, place)) {
                const CellResult& measured = result(cell);
                text += u"%1,%2,%3,%4,%5,%6,%7,%8,%9"_s.arg(
                    placeFields(index, slice.places[place]), QString::number(lanes), QString::number(measured.runs),
                    QString::number(measured.items), csvNumber(measured.tpot_ms.median),
                    csvNumber(measured.tpot_ms.p10), csvNumber(measured.tpot_ms.p90), csvNumber(measured.tokens_per_s),
                    csvNumber(measured.run_tokens_per_s.p10));
                text += u',' + csvNumber(measured.run_tokens_per_s.p90) + u'\n';
            }
        }
    }
    return text;
}

}  // namespace mixoscope
