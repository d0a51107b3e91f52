#include "app/window/what_if.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "app/window/comparison_workspace.h"
#include "views/recording_notice.h"
#include "views/theme.h"
#include "views/what_if_dialog.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kMargin = 24;

/// The edit that the selection suggests: the selected expert of the selected layer, else the likeliest one there.
std::optional<RoutingEdit> suggestedEdit(const ForkPoint& point, const Selection& selection) {
    if (!point.isRouted()) return std::nullopt;
    RoutingEdit edit{.layer = std::clamp(selection.layer(), 0, point.history.shape().moe_layers - 1), .expert = -1};
    const auto experts = point.history.experts(point.position, edit.layer);
    if (selection.expert() < 0) return edit;
    edit.expert = selection.expert();
    const bool chosen = std::ranges::find(experts, static_cast<std::int16_t>(edit.expert)) != experts.end();
    if (!chosen) edit.kind = RoutingEdit::Kind::kForce;
    return edit;
}

/// An empty reason enables it; either way the tip ends with the key.
void offerAction(QAction& action, const QString& why_not, const QString& tip) {
    action.setEnabled(why_not.isEmpty());
    action.setToolTip(
        u"%1 (%2)"_s.arg(why_not.isEmpty() ? tip : why_not, action.shortcut().toString(QKeySequence::NativeText)));
}

}  // namespace

WhatIf::WhatIf(Workbench& workbench, Selection& selection, ComparisonWorkspace& comparison,
               std::function<bool()> is_comparing, QWidget* window)
    : QObject(window),
      m_workbench(workbench),
      m_selection(selection),
      m_comparison(comparison),
      m_is_comparing(std::move(is_comparing)),
      m_window(window),
      m_fork(new QAction(themedIcon(u"fork"_s), tr("What if…"), this)),
      m_measure(new QAction(themedIcon(u"balance"_s), tr("Measure its experts"), this)) {
    m_fork->setObjectName(u"action_what_if"_s);
    m_fork->setShortcut(QKeySequence(u"Ctrl+K"_s));
    connect(m_fork, &QAction::triggered, this, &WhatIf::openDialog);
    m_measure->setObjectName(u"action_measure_experts"_s);
    m_measure->setShortcut(QKeySequence(u"Ctrl+Shift+K"_s));
    connect(m_measure, &QAction::triggered, this, &WhatIf::measure);
    connect(&m_selection, &Selection::changed, this, &WhatIf::refresh);
    connect(&m_comparison.selection(), &Selection::changed, this, &WhatIf::refresh);
}

ForkOffer WhatIf::offer() const {
    if (m_snapshot == nullptr) return {.point = std::nullopt, .refusal = tr("Open a model first")};
    if (m_snapshot->recorded) {
        if (const QString why_not = whyNotContinued(*m_snapshot); !why_not.isEmpty())
            return {.point = std::nullopt, .refusal = why_not};
        if (m_is_comparing())
            return {.point = std::nullopt, .refusal = tr("A recording: its forks are not gone on with, only its chat")};
        return forkPointOfRecorded(*m_snapshot, m_selection.turn(), m_selection.token());
    }
    if (!m_is_comparing()) return forkPointOfChat(*m_snapshot, m_selection.turn(), m_selection.token());
    const Selection& selection = m_comparison.selection();
    if (const int shown = m_comparison.shownForks(); shown >= 0)
        return forkPointOfFork(*m_snapshot, static_cast<std::size_t>(shown), selection.lane(), selection.token());
    return forkPointOfCompared(*m_snapshot, selection.lane(), selection.token());
}

void WhatIf::refresh() {
    const ForkOffer offered = offer();
    const bool recorded = m_snapshot != nullptr && m_snapshot->recorded;
    offerAction(*m_fork, offered.point ? offered.point->no_room : offered.refusal,
                recorded
                    ? tr("Load the model again and go on from the selected token otherwise; the recording stays as "
                         "it is")
                    : tr("Go on from the selected token otherwise, as a lane of its own"));
    offerAction(*m_measure,
                recorded        ? tr("A recording: go on from here first (Ctrl+G)")
                : offered.point ? offered.point->whyNotMeasured()
                                : offered.refusal,
                tr("Measure what each expert did for the selected token's log-probability"));
}

void WhatIf::measure() {
    const ForkOffer offered = offer();
    if (!offered.point) return;
    if (offered.point->in_comparison) {
        m_workbench.attributeComparison(offered.point->lane, offered.point->position);
    } else {
        m_workbench.attributeChat(offered.point->lane, offered.point->position);
    }
    Q_EMIT measuring();
}

void WhatIf::openDialog() {
    const ForkOffer offered = offer();
    if (!offered.point) return;
    if (m_snapshot->recorded) {
        m_continued_token = offered.point->position;
        Q_EMIT continueAsked();
        return;
    }
    if (m_dialog == nullptr) {
        m_dialog = new WhatIfDialog([this](const QString& text) { return m_workbench.tokensOf(text.toStdString()); },
                                    m_window);
        connect(m_dialog, &WhatIfDialog::forkAsked, this, &WhatIf::ask);
        connect(m_dialog, &QDialog::rejected, this, [this] { m_asked = false; });
    }
    m_asked = false;
    m_dialog->setBusy({});
    m_dialog->setPoint(*offered.point,
                       suggestedEdit(*offered.point, m_is_comparing() ? m_comparison.selection() : m_selection));
    const bool shown = m_dialog->isVisible();
    m_dialog->show();
    m_dialog->raise();
    m_dialog->activateWindow();
    if (shown) return;
    // Clear of the maps, which say what can be changed.
    const QRect window = m_window->geometry();
    m_dialog->adjustSize();
    m_dialog->move(window.right() - m_dialog->width() - kMargin, window.bottom() - m_dialog->height() - 2 * kMargin);
}

void WhatIf::ask() {
    const ForkPoint& point = m_dialog->point();
    const ForkRequest request = requestOf(point, m_dialog->changes());
    m_asked = true;
    m_forks_before = m_workbench.snapshot()->forks_asked;
    m_dialog->showWaiting();
    if (point.in_comparison) {
        m_workbench.forkComparison(request);
    } else {
        m_workbench.forkChat(request);
    }
}

/// Asks for the fork of a token that was selected in a recording, once the recording is live and ended there.
void WhatIf::openContinued() {
    if (m_continued_token < 0 || m_snapshot->recorded || m_snapshot->state != WorkbenchState::kReady) return;
    const std::int32_t token = std::exchange(m_continued_token, -1);
    if (m_snapshot->lanes.empty() || token >= m_snapshot->lanes.front().history.tokenCount()) return;
    m_selection.setToken(token);
    openDialog();
}

void WhatIf::takeSnapshot(const SnapshotPointer& snapshot) {
    m_snapshot = snapshot;
    refresh();
    openContinued();
    if (m_dialog == nullptr || !m_dialog->isVisible()) return;
    // The lane that it was opened for is gone with its conversation.
    if (!m_dialog->point().in_comparison && snapshot->lanes.empty()) return m_dialog->reject();
    if (!m_asked) return m_dialog->setBusy(whatIsUnderWay(snapshot->state));
    if (snapshot->forks_asked == m_forks_before) return;
    m_asked = false;
    if (snapshot->fork_error) return m_dialog->showRefusal(*snapshot->fork_error);
    const bool in_comparison = m_dialog->point().in_comparison;
    m_dialog->accept();
    Q_EMIT forked(in_comparison);
}

}  // namespace mixoscope
