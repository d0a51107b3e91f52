#include "views/experiment_chart.h"

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "sessions/record_names.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

namespace {

QString intervalText(const MeanWithInterval& measure, int digits) {
    if (std::isnan(measure.mean)) return format::kAbsent;
    if (std::isnan(measure.low)) return format::fixed(measure.mean, digits);
    return u"%1 [%2, %3]"_s.arg(format::fixed(measure.mean, digits), format::fixed(measure.low, digits),
                                format::fixed(measure.high, digits));
}

}  // namespace

bool isFinished(const CellResult& result) {
    return result.items > 0 && result.runs >= result.items;
}

QString accuracyText(const Proportion& accuracy) {
    if (accuracy.trials == 0) return format::kAbsent;
    return u"%1 [%2, %3]"_s.arg(format::fixed(100.0 * accuracy.share, 1), format::fixed(100.0 * accuracy.low, 1),
                                format::fixed(100.0 * accuracy.high, 1));
}

QString cellTitle(const Experiment& experiment, const ExperimentCell& cell) {
    QString title =
        u"%1 · %2"_s.arg(QString::fromStdString(experiment.policies[cell.policy]),
                         scoresText(experiment, cell) ? QString::fromStdString(experiment.tasks[cell.task].name)
                                                      : placeText({cell.mode, cell.budget}));
    if (cell.task == ExperimentCell::kAllTasks) title += u" · "_s + QObject::tr("all tasks");
    if (experiment.lanes.size() > 1) title += u" · "_s + QObject::tr("batch of %1").arg(cell.lanes);
    return title;
}

QString perplexityText(const MeanWithInterval& perplexity) {
    return intervalText(perplexity, 2);
}

QString nllChangeText(const MeanWithInterval& change) {
    return intervalText(change, 4);
}

QString describeCell(const ExperimentSnapshot& experiment, std::size_t cell) {
    const Experiment& asked = experiment.frame->experiment;
    const CellResult& result = experiment.results[cell];
    const ExperimentCell choice = experiment.frame->choice(cell);
    const bool text = scoresText(asked, choice);
    QStringList lines{cellTitle(asked, choice)};
    const QString runs = result.items > 0
                             ? QObject::tr("%1 of %2 runs").arg(format::count(result.runs), format::count(result.items))
                             : QObject::tr("%1 runs").arg(format::count(result.runs));
    if (result.runs == 0) return lines.front() + u'\n' + QObject::tr("Nothing has run yet");
    if (result.accuracy.trials > 0)
        lines << QObject::tr("Accuracy %1 %, %2 of %3 right")
                     .arg(accuracyText(result.accuracy), format::count(result.accuracy.successes),
                          format::count(result.accuracy.trials));
    if (result.p_value)
        lines << QObject::tr("Only the baseline right %1, only this %2, McNemar p = %3")
                     .arg(format::count(*result.only_baseline), format::count(*result.only_this),
                          format::probability(*result.p_value));
    lines << QObject::tr("%1, latency %2")
                 .arg(format::tokensPerSecond(result.tokens_per_s), format::milliseconds(result.latency_ms));
    if (text) {
        lines << QObject::tr("Perplexity %1 over %2 tokens")
                     .arg(perplexityText(result.perplexity), format::count(result.scored_tokens));
        if (choice.policy != 0)
            lines << QObject::tr("%1 nats a token against the baseline").arg(nllChangeText(result.nll_change));
        lines << QObject::tr("Experts %1 a token and layer").arg(format::fixed(result.active_experts, 2));
    } else {
        lines << QObject::tr("N %1, experts %2 a token and layer")
                     .arg(format::fixed(result.thinking_tokens.mean, 1), format::fixed(result.active_experts, 2));
    }
    lines << runs << QObject::tr("Click shows its runs");
    return lines.join(u'\n');
}

ExperimentChart::ExperimentChart(ExperimentSelection& selection, QWidget* parent)
    : QWidget(parent), m_selection(selection) {
    setFocusPolicy(Qt::StrongFocus);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    setMinimumSize(220, 150);
    connect(&m_selection, &ExperimentSelection::changed, this, qOverload<>(&QWidget::update));
    connect(&m_selection, &ExperimentSelection::cellChanged, this, qOverload<>(&QWidget::update));
}

EmptyState ExperimentChart::emptyState() const {
    if (m_selection.frame() != nullptr && !hasResults())
        return {.icon = u"warning"_s,
                .title = tr("Not ready to run"),
                .text = tr("The experiment is being checked, or something is wrong with it: its form says what.")};
    if (!hasResults())
        return {.icon = u"balance"_s,
                .title = tr("No experiment yet"),
                .text = tr("Open an experiment: its results are drawn here while it runs.")};
    if (scoresText(frame().experiment, m_selection.choice(0, {})))
        return {.icon = u"balance"_s,
                .title = tr("A text is scored, not judged"),
                .text = tr("It has neither answers nor budgets: its perplexity is in the table of results.")};
    if (m_selection.experiment()->done == 0)
        return {.icon = u"balance"_s,
                .title = tr("Nothing has run yet"),
                .text = tr("Press Run (F5): results are drawn here as they come.")};
    return {};
}

QString ExperimentChart::policy(std::size_t index) const {
    return QString::fromStdString(frame().experiment.policies[index]);
}

QString ExperimentChart::placeFields(std::size_t index, const ExperimentPlace& place) const {
    const Experiment& experiment = frame().experiment;
    return u"%1,%2,%3,%4,%5"_s.arg(
        csvField(QString::fromStdString(taskName(experiment, m_selection.choice(index, place)))),
        csvField(policy(index)),
        csvField(QString::fromStdString(samplingText(experiment.samplings[m_selection.sampling()]))),
        QString::fromStdString(modeName(static_cast<std::int64_t>(place.mode))), csvBudget(place.budget));
}

bool ExperimentChart::hasResults() const {
    const ExperimentPointer& experiment = m_selection.experiment();
    return experiment != nullptr && experiment->frame != nullptr && !experiment->results.empty() &&
           !experiment->runs.empty();
}

bool ExperimentChart::anyJudged() const {
    const auto& cells = m_selection.slice().cells;
    return std::ranges::any_of(cells, [this](const auto& cell) { return cell && result(*cell).accuracy.trials > 0; });
}

QString ExperimentChart::accuracyCsv() const {
    QString text =
        u"task,policy,sampling,mode,budget,runs,items,correct,judged,accuracy,accuracy_low,accuracy_high\n"_s;
    if (!hasResults()) return text;
    const ExperimentSlice& slice = m_selection.slice();
    for (std::size_t index = 0; index < slice.policies; ++index) {
        for (std::size_t place = 0; place < slice.places.size(); ++place) {
            const auto cell = slice.at(index, place);
            if (!cell) continue;
            const CellResult& measured = result(*cell);
            text += u"%1,%2,%3,%4,%5,%6,%7,%8\n"_s.arg(
                placeFields(index, slice.places[place]), QString::number(measured.runs),
                QString::number(measured.items), QString::number(measured.accuracy.successes),
                QString::number(measured.accuracy.trials), csvNumber(measured.accuracy.share),
                csvNumber(measured.accuracy.low), csvNumber(measured.accuracy.high));
        }
    }
    return text;
}

QImage ExperimentChart::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QRectF ExperimentChart::markOf(std::size_t cell) const {
    const auto found = std::ranges::find(m_marks, cell, &Mark::cell);
    return found == m_marks.end() ? QRectF() : found->area;
}

void ExperimentChart::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    m_marks.clear();
    if (const EmptyState empty = emptyState(); !empty.title.isEmpty()) {
        paintEmptyState(painter, rect(), empty);
    } else {
        m_marks = paintChart(painter, QRectF(rect()).adjusted(0, 2, 0, -2));
    }
    painter.setRenderHint(QPainter::Antialiasing, false);
    if (hasFocus()) paintFocusFrame(painter, rect());
}

const ExperimentChart::Mark* ExperimentChart::markAt(QPointF place) const {
    const Mark* nearest = nullptr;
    double closest = 0.0;
    for (const Mark& mark : m_marks) {
        if (!mark.area.contains(place)) continue;
        const QPointF away = place - mark.area.center();
        const double distance = QPointF::dotProduct(away, away);
        if (nearest != nullptr && distance >= closest) continue;
        nearest = &mark;
        closest = distance;
    }
    return nearest;
}

void ExperimentChart::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return;
    if (const Mark* mark = markAt(event->position())) {
        m_selection.setCell(mark->cell);
        Q_EMIT runsAsked();
    } else {
        m_selection.setCell(std::nullopt);
    }
}

void ExperimentChart::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
        case Qt::Key_Left:
            return m_selection.moveCell(0, -1);
        case Qt::Key_Right:
            return m_selection.moveCell(0, 1);
        case Qt::Key_Up:
            return m_selection.moveCell(-1, 0);
        case Qt::Key_Down:
            return m_selection.moveCell(1, 0);
        case Qt::Key_Return:
        case Qt::Key_Enter:
            if (m_selection.cell()) Q_EMIT runsAsked();
            return;
        default:
            QWidget::keyPressEvent(event);
    }
}

void ExperimentChart::focusInEvent(QFocusEvent* event) {
    QWidget::focusInEvent(event);
    update();
}

void ExperimentChart::focusOutEvent(QFocusEvent* event) {
    QWidget::focusOutEvent(event);
    update();
}

bool ExperimentChart::event(QEvent* event) {
    if (event->type() != QEvent::ToolTip) return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    if (const Mark* mark = markAt(help->pos())) {
        QToolTip::showText(help->globalPos(), toolTipText(describeCell(*m_selection.experiment(), mark->cell)), this);
    } else {
        QToolTip::hideText();
    }
    return true;
}

void ExperimentChart::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

}  // namespace mixoscope
