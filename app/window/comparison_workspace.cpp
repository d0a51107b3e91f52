#include "app/window/comparison_workspace.h"

#include <QApplication>
#include <QClipboard>
#include <QFileDialog>
#include <algorithm>
#include <map>

#include "app/window/comparison_bar.h"
#include "sessions/comparison_export.h"
#include "views/background.h"
#include "views/comparison_status.h"
#include "views/composer.h"
#include "views/fork_tree.h"
#include "views/format.h"
#include "views/lane_editor.h"
#include "views/lane_presets.h"
#include "views/lane_style.h"
#include "views/lanes_text.h"
#include "views/lanes_view.h"
#include "views/metrics_view.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr qreal kExportScale = 2.0;

/// Bytes of every token that the lanes have.
std::map<TokenId, std::string> tokenBytes(const ComparisonSnapshot& comparison) {
    std::map<TokenId, std::string> bytes;
    for (const ComparedLane& lane : comparison.lanes) {
        for (const History* history : {&lane.free.history, &lane.forced.history}) {
            for (std::int32_t position = 0; position < history->tokenCount(); ++position) {
                const TokenRecord& token = history->token(position);
                bytes.try_emplace(token.trace.id, token.bytes);
            }
        }
    }
    return bytes;
}

}  // namespace

ComparisonWorkspace::ComparisonWorkspace(Workbench& workbench, std::function<QString()> system_prompt, QWidget* window)
    : QObject(window),
      m_workbench(workbench),
      m_system_prompt(std::move(system_prompt)),
      m_window(window),
      m_bar(new ComparisonBar(window)),
      m_lanes(new LanesView(m_selection, window)),
      m_metrics(new MetricsView(window)),
      m_forks(new ForkTree(m_selection, window)),
      m_status(new ComparisonStatus(window)) {
    connectParts();
}

void ComparisonWorkspace::connectParts() {
    connect(m_bar, &ComparisonBar::sourceChosen, this, &ComparisonWorkspace::showSource);
    connect(m_bar, &ComparisonBar::laneCountAsked, this, &ComparisonWorkspace::setLaneCount);
    connect(m_bar, &ComparisonBar::addAsked, this, &ComparisonWorkspace::addLane);
    connect(m_bar, &ComparisonBar::editAsked, this, [this] { editLanes(); });
    connect(m_bar, &ComparisonBar::measureChosen, m_lanes, &LanesView::setMeasure);
    connect(m_bar, &ComparisonBar::runAsked, this, &ComparisonWorkspace::run);
    connect(m_bar, &ComparisonBar::stopAsked, this, [this] { m_workbench.stop(); });
    connect(m_bar, &ComparisonBar::csvAsked, this, &ComparisonWorkspace::exportCsv);
    connect(m_bar, &ComparisonBar::imageAsked, this, [this] {
        const QImage image = m_lanes->renderToImage(kExportScale);  // before the dialog lies over it
        const QString path =
            QFileDialog::getSaveFileName(m_window, tr("Image of the lanes"), u"lanes.png"_s, tr("PNG image (*.png)"));
        if (path.isEmpty()) return;
        const bool saved = image.save(path);
        m_status->showMessage(
            saved ? tr("Saved %1").arg(path) : tr("%1 cannot be written; choose another folder").arg(path), !saved);
    });
    connect(m_lanes, &LanesView::runAsked, this, &ComparisonWorkspace::run);
    connect(m_lanes, &LanesView::editAsked, this, &ComparisonWorkspace::editLanes);
    connect(m_lanes, &LanesView::removeAsked, this,
            [this](int lane) { m_workbench.removeComparisonLane(static_cast<std::size_t>(lane)); });
    connect(&m_lanes->promptEdit(), &MessageEdit::stopAsked, this, &ComparisonWorkspace::stopOrClear);
    connect(&m_lanes->promptEdit(), &QPlainTextEdit::textChanged, this,
            [this] { m_bar->setPromptThere(!m_lanes->prompt().trimmed().isEmpty()); });
}

void ComparisonWorkspace::takeSnapshot(const SnapshotPointer& snapshot) {
    m_snapshot = snapshot;
    if (m_entered) ensureLanes();
    if (m_source > static_cast<int>(snapshot->forks.size())) m_source = 0;
    showWantedTurn();
    showShown();
}

void ComparisonWorkspace::showNewestForks() {
    if (m_snapshot == nullptr || m_snapshot->lanes.empty()) return;
    m_wanted_turn = static_cast<std::int32_t>(m_snapshot->lanes.front().turns.size()) - 1;
    showWantedTurn();
}

void ComparisonWorkspace::showWantedTurn() {
    const auto& forks = m_snapshot->forks;
    const auto wanted = std::ranges::find(forks, m_wanted_turn, &ForkedTurn::turn);
    if (m_wanted_turn < 0 || wanted == forks.end()) return;
    m_wanted_turn = -1;
    showSource(static_cast<int>(wanted - forks.begin()) + 1);
}

void ComparisonWorkspace::showSource(int source) {
    if (source == m_source) return;
    m_source = source;
    m_selection.clear();
    m_lanes->text().setFollow(false);
    showShown();
}

/// A forked turn as if it were the comparison: then everything here shows it as it shows lanes.
SnapshotPointer ComparisonWorkspace::shownPart() const {
    if (m_source == 0) return m_snapshot;
    auto part = std::make_shared<WorkbenchSnapshot>();
    part->state = m_snapshot->state;
    part->recorded = m_snapshot->recorded;
    part->model = m_snapshot->model;
    part->comparison = m_snapshot->forks[static_cast<std::size_t>(m_source - 1)].lanes;
    part->comparison_recorder = m_snapshot->recorder;
    return part;
}

void ComparisonWorkspace::showShown() {
    const auto before = m_shown == nullptr ? nullptr : m_shown->comparison;
    m_shown = shownPart();
    QStringList sources{tr("lanes of the prompt")};
    for (const ForkedTurn& forked : m_snapshot->forks)
        sources << tr("turn %1 of the chat, forked").arg(forked.turn + 1);
    m_bar->setSources(sources, m_source);
    m_bar->showSnapshot(*m_shown);
    m_lanes->setFixed(m_source == 0 ? QString() : tr("Forks stay in the session as they are"));
    m_lanes->setSnapshot(m_shown);
    const bool other = m_shown->comparison != before;
    if (m_metrics->isVisible() && other) m_metrics->setComparison(m_shown->comparison);
    if (other) {
        const bool there = !m_forks->rows().empty();
        m_forks->setComparison(m_shown->comparison);
        if (there == m_forks->rows().empty()) Q_EMIT forksShown(!there);
    }
    if (m_status->isVisible()) m_status->showSnapshot(*m_shown);
    if (m_editor != nullptr && m_editor->isVisible()) m_editor->showSnapshot(*m_snapshot);
    if (m_lanes->isVisible()) Q_EMIT captionChanged(m_lanes->caption());
}

void ComparisonWorkspace::ensureLanes() {
    const bool there = m_snapshot->comparison != nullptr && !m_snapshot->comparison->lanes.empty();
    if (m_snapshot->recorded || m_snapshot->model == nullptr || there || m_snapshot->state == WorkbenchState::kLoading)
        return;
    std::vector<LaneSettings> lanes;
    for (std::size_t index = 0; index < kFewestComparedLanes; ++index)
        lanes.push_back(presetLane(index, m_snapshot->model->config));
    m_workbench.setComparisonLanes(std::move(lanes));
}

void ComparisonWorkspace::enter() {
    m_entered = true;
    if (m_snapshot == nullptr) return;
    ensureLanes();
    showShown();
    m_metrics->setComparison(m_shown->comparison);
    m_status->showSnapshot(*m_shown);
    Q_EMIT captionChanged(m_lanes->caption());
    if (m_source == 0) {
        m_lanes->promptEdit().setFocus();
    } else {
        m_lanes->text().setFocus();
    }
}

void ComparisonWorkspace::run() {
    showSource(0);
    const QString prompt = m_lanes->prompt();
    const WorkbenchState state = m_snapshot == nullptr ? WorkbenchState::kNoModel : m_snapshot->state;
    if (prompt.trimmed().isEmpty() || state != WorkbenchState::kReady || m_snapshot->recorded) return;
    std::vector<Message> messages;
    const QString system = m_system_prompt();
    if (!system.isEmpty()) messages.push_back({.role = Role::kSystem, .content = system.toStdString()});
    messages.push_back({.role = Role::kUser, .content = prompt.toStdString()});
    m_selection.clear();
    m_lanes->text().setFollow(true);
    m_workbench.runComparison(std::move(messages), m_bar->teacherForced());
}

QString ComparisonWorkspace::whyNothingToMeasure() const {
    if (m_snapshot == nullptr || m_snapshot->model == nullptr) return tr("Open a model first");
    if (m_snapshot->recorded) return tr("A recording: open a model to run lanes");
    if (m_snapshot->state != WorkbenchState::kReady) return tr("Something runs; stop it or wait for it");
    if (m_source > 0) return tr("Forks are shown: choose the lanes of the prompt first");
    const ComparisonSnapshot* comparison = m_snapshot->comparison.get();
    return comparison == nullptr || !hasRun(*comparison) ? tr("Run the lanes first") : QString();
}

bool ComparisonWorkspace::canChangeLanes() const {
    return m_snapshot != nullptr && m_snapshot->model != nullptr && m_snapshot->comparison != nullptr &&
           !m_snapshot->recorded;
}

void ComparisonWorkspace::measureQuality() {
    m_workbench.measureForced();
}

void ComparisonWorkspace::measureAlone() {
    m_workbench.measureAlone();
}

void ComparisonWorkspace::addLane() {
    showSource(0);
    if (!canChangeLanes()) return;
    m_workbench.addComparisonLane(presetLane(m_snapshot->comparison->lanes.size(), m_snapshot->model->config));
}

void ComparisonWorkspace::setLaneCount(int lanes) {
    if (!canChangeLanes()) return;
    const int there = static_cast<int>(m_snapshot->comparison->lanes.size());
    for (int index = there; index < lanes; ++index) {
        m_workbench.addComparisonLane(presetLane(static_cast<std::size_t>(index), m_snapshot->model->config));
    }
    for (int index = there - 1; index >= lanes; --index)
        m_workbench.removeComparisonLane(static_cast<std::size_t>(index));
}

void ComparisonWorkspace::editLanes(int lane) {
    if (m_snapshot != nullptr && m_snapshot->recorded) return;
    if (m_editor == nullptr) {
        m_editor = new LaneEditor(m_window);
        connect(m_editor, &LaneEditor::laneChanged, this, [this](int index, const LaneSettings& settings) {
            m_workbench.setComparisonLane(static_cast<std::size_t>(index), settings);
        });
        connect(m_editor, &LaneEditor::addAsked, this, &ComparisonWorkspace::addLane);
        connect(m_editor, &LaneEditor::removeAsked, this,
                [this](int index) { m_workbench.removeComparisonLane(static_cast<std::size_t>(index)); });
    }
    m_editor->show();
    m_editor->raise();
    if (m_snapshot != nullptr) m_editor->showSnapshot(*m_snapshot);
    m_editor->focusLane(lane);
}

void ComparisonWorkspace::stopOrClear() {
    if (m_bar->isRunning()) {
        m_workbench.stop();
    } else {
        m_selection.clear();
    }
}

void ComparisonWorkspace::copySelection() const {
    TokenRange range = m_selection.range();
    if (range.isEmpty() && m_selection.token() >= 0) range = {m_selection.token(), m_selection.token() + 1};
    if (range.isEmpty() || m_shown == nullptr || m_shown->comparison == nullptr) return;
    QStringList lines;
    for (const ComparedLane& compared : m_shown->comparison->lanes) {
        const AlignedLane lane = alignedLane(compared);
        std::string bytes;
        for (std::int32_t index = range.first; index < std::min(range.last, lane.tokens()); ++index)
            bytes += lane.token(index).bytes;
        lines << laneLetter(compared.origin.tag) + u'\t' + format::plainText(bytes);
    }
    QApplication::clipboard()->setText(lines.join(u'\n'));
}

void ComparisonWorkspace::exportCsv() {
    const QString directory = QFileDialog::getExistingDirectory(m_window, tr("Folder for the CSV files"));
    if (!directory.isEmpty()) writeCsv(directory);
}

void ComparisonWorkspace::writeCsv(const QString& directory) {
    if (m_shown == nullptr || m_shown->comparison == nullptr) return;
    const QString texts = saveCsv(*m_lanes, directory + u"/texts.csv"_s);
    if (!texts.isEmpty()) return m_status->showMessage(texts, true);
    m_status->showMessage(tr("Exporting to %1").arg(directory), false);
    tellWhenDone(m_status, tr("CSV files of the comparison written to %1").arg(directory),
                 [comparison = m_shown->comparison, directory] {
                     const auto bytes = tokenBytes(*comparison);
                     exportComparison(
                         *comparison,
                         [&](TokenId id) {
                             const auto found = bytes.find(id);
                             return found == bytes.end() ? std::string() : found->second;
                         },
                         std::filesystem::path(directory.toStdString()));
                 });
}

}  // namespace mixoscope
