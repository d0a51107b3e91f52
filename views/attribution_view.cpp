#include "views/attribution_view.h"

#include <QAction>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QToolButton>
#include <QVBoxLayout>
#include <cmath>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

/// The text of the token that was measured; empty where its lane is not there any more.
QString tokenText(const WorkbenchSnapshot& snapshot, const AttributionSnapshot& attribution) {
    const auto of = [&](const History& history) {
        const bool there = attribution.position < history.tokenCount() &&
                           history.token(attribution.position).trace.id == attribution.token;
        return there ? format::tokenText(history.token(attribution.position).bytes) : QString();
    };
    for (const LaneSnapshot& lane : snapshot.lanes) {
        if (lane.lane != attribution.lane) continue;
        for (std::size_t turn = lane.turns.size(); turn-- > 0;) {
            if (const QString text = of(lane.historyOfTurn(turn)); !text.isEmpty()) return text;
        }
    }
    if (snapshot.comparison == nullptr) return {};
    return of(snapshot.comparison->historyOf(attribution.lane));
}

}  // namespace

QString strongestAttribution(const AttributionSnapshot& attribution, const std::vector<std::int32_t>& layers) {
    const AttributionCell* strongest = nullptr;
    const std::vector<AttributionCell> cells = attributionCells(attribution);
    for (const AttributionCell& cell : cells) {
        if (std::isnan(cell.change)) continue;
        if (strongest == nullptr || std::abs(cell.change) > std::abs(strongest->change)) strongest = &cell;
    }
    if (strongest == nullptr) return {};
    const auto at = static_cast<std::size_t>(strongest->layer);
    return QObject::tr("layer %1, expert %2: %3")
        .arg(at < layers.size() ? layers[at] : strongest->layer)
        .arg(strongest->expert)
        .arg(attributionText(strongest->change));
}

AttributionView::AttributionView(Selection& selection, QAction& measure, QWidget* parent)
    : QWidget(parent),
      m_map(new AttributionMap(selection, this)),
      m_summary(new QLabel(this)),
      m_error(new QLabel(this)),
      m_progress(new QProgressBar(this)),
      m_measure(new QToolButton(this)),
      m_stop(new QToolButton(this)) {
    setObjectName(u"attribution_view"_s);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    m_summary->setObjectName(u"attribution_summary"_s);
    m_summary->setFont(textFont(font_size::kTable));
    m_summary->setProperty("role", u"muted"_s);
    m_summary->setTextFormat(Qt::PlainText);
    m_summary->setWordWrap(true);
    m_error->setObjectName(u"attribution_error"_s);
    m_error->setProperty("role", u"chip-error"_s);
    m_error->setTextFormat(Qt::PlainText);
    m_error->setWordWrap(true);
    m_progress->setObjectName(u"attribution_progress"_s);
    m_progress->setAccessibleName(tr("Experts measured"));
    m_measure->setObjectName(u"attribution_measure"_s);
    m_measure->setDefaultAction(&measure);
    m_measure->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_measure->setFocusPolicy(Qt::StrongFocus);
    m_stop->setObjectName(u"attribution_stop"_s);
    m_stop->setText(tr("Stop"));
    m_stop->setIcon(themedIcon(u"stop"_s));
    m_stop->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_stop->setToolTip(tr("Stop measuring; what was measured stays (Esc)"));
    m_stop->setFocusPolicy(Qt::StrongFocus);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(10, 8, 10, 4);
    row->setSpacing(8);
    row->addWidget(m_summary, 1);
    row->addWidget(m_progress, 1);
    row->addWidget(m_measure);
    row->addWidget(m_stop);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addLayout(row);
    column->addWidget(m_error);
    column->addWidget(m_map, 1);
    setFocusProxy(m_map);
    connect(m_stop, &QToolButton::clicked, this, &AttributionView::stopAsked);
    showProgress();
}

void AttributionView::setSnapshot(const SnapshotPointer& snapshot) {
    const bool same = m_snapshot != nullptr && m_snapshot->attribution == snapshot->attribution &&
                      m_snapshot->state == snapshot->state && m_snapshot->model == snapshot->model;
    m_snapshot = snapshot;
    if (same) return;
    const auto& attribution = snapshot->attribution;
    const bool shown = attribution != nullptr && !attribution->error;
    m_map->setAttribution(shown ? attribution : nullptr, shown ? tokenText(*snapshot, *attribution) : QString(),
                          snapshot->model == nullptr ? std::vector<std::int32_t>{} : snapshot->model->moe_layers);
    showProgress();
}

void AttributionView::showProgress() {
    const AttributionSnapshot* attribution = m_snapshot == nullptr ? nullptr : m_snapshot->attribution.get();
    const bool running = m_snapshot != nullptr && m_snapshot->state == WorkbenchState::kAttributing;
    const bool refused = attribution != nullptr && attribution->error.has_value();
    m_progress->setVisible(running);
    m_stop->setVisible(running);
    m_measure->setVisible(!running);
    m_summary->setVisible(!running);
    m_error->setVisible(refused);
    if (refused) m_error->setText(format::plainText(Error(*attribution->error).what()));
    m_progress->setRange(0, attribution == nullptr ? 0 : attribution->total);
    m_progress->setValue(attribution == nullptr ? 0 : attribution->done);
    m_progress->setFormat(tr("%v of %m experts"));
    QString summary;
    if (attribution != nullptr && !refused && !running) {
        summary =
            tr("Log-probability %1 with all. Strongest: %2.")
                .arg(format::logProbability(attribution->logprob),
                     strongestAttribution(*attribution, m_snapshot->model == nullptr ? std::vector<std::int32_t>{}
                                                                                     : m_snapshot->model->moe_layers));
        if (attribution->done < attribution->total)
            summary += tr(" Stopped after %1 of %2 experts.")
                           .arg(format::count(attribution->done), format::count(attribution->total));
    }
    m_summary->setText(summary);
}

}  // namespace mixoscope
