// Where the panels are: the layout of a first start at each width, and what is kept from one start to the next.
#include <QApplication>
#include <QMenuBar>
#include <QPointer>
#include <QResizeEvent>
#include <QSignalBlocker>
#include <QStackedWidget>
#include <QTabBar>
#include <QToolBar>
#include <algorithm>

#include "app/window/comparison_bar.h"
#include "app/window/comparison_workspace.h"
#include "app/window/control_bar.h"
#include "app/window/experiment_bar.h"
#include "app/window/experiment_workspace.h"
#include "app/window/main_window.h"
#include "app/window/panel_dock.h"
#include "app/window/recording_playback.h"
#include "app/window/what_if.h"
#include "views/comparison_status.h"
#include "views/composer.h"
#include "views/error_page.h"
#include "views/experiment_status.h"
#include "views/fork_tree.h"
#include "views/start_page.h"
#include "views/status_line.h"
#include "views/transport_bar.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

constexpr int kLayoutVersion = 3;
constexpr int kComparisonLayoutVersion = 1002;
constexpr int kExperimentLayoutVersion = 2001;
constexpr int kWorkspaceTabs = 280;
constexpr int kFewestMetrics = 150;
constexpr int kMostMetrics = 290;
constexpr int kNarrowestForks = 340;
constexpr int kWidestForks = 560;
constexpr int kInspectorFrom = 1400;
constexpr int kLoadFrom = 1200;
constexpr int kBesideFrom = 1100;
constexpr int kLoadBelowFrom = 780;  // height: lower, heatmap and load balance do not fit above each other
constexpr int kStripFrom = 760;      // height
constexpr int kAllTracksFrom = 900;
constexpr int kAllTracks = 178;     // height of the timeline with its title
constexpr int kTwoTracks = 134;     // phase and settings, which never leave
constexpr int kAroundPanels = 126;  // menu, controls, status
constexpr int kAllChecks = 288;     // height at which all checks are seen

MainWindow::Narrowness MainWindow::narrownessOf(QSize size) {
    if (size.width() < kBesideFrom) return Narrowness::kChatOver;
    if (size.width() < kLoadFrom || size.height() < kLoadBelowFrom) return Narrowness::kLoadTabbed;
    return size.width() < kInspectorFrom ? Narrowness::kInspectorTabbed : Narrowness::kWide;
}

PanelDock* MainWindow::panel(const QString& name) const {
    for (const auto& [known, dock] : m_panels) {
        if (known == name) return dock;
    }
    return nullptr;
}

QWidget* MainWindow::widgetOf(const QString& name) const {
    PanelDock* dock = panel(name);
    return dock == nullptr ? nullptr : dock->widget();
}

void MainWindow::arrangePanels(Narrowness narrowness) {
    m_narrowness = narrowness;
    for (const auto& [name, dock] : m_panels) {
        removeDockWidget(dock);
        dock->setFloating(false);
    }
    const auto place = [this](PanelDock* dock, PanelDock* beside, Qt::Orientation orientation) {
        splitDockWidget(beside, dock, orientation);
        dock->show();
    };
    const auto tab = [this](PanelDock* front, PanelDock* dock) {
        tabifyDockWidget(front, dock);
        dock->show();
    };
    PanelDock* chat = panel(u"chat"_s);
    PanelDock* heatmap = panel(u"heatmap"_s);
    PanelDock* inspector = panel(u"inspector"_s);
    PanelDock* expert = panel(u"expert"_s);
    PanelDock* attribution = panel(u"attribution"_s);
    PanelDock* checks = panel(u"checks"_s);
    PanelDock* load = panel(u"load"_s);
    PanelDock* length = panel(u"thinking"_s);
    addDockWidget(Qt::LeftDockWidgetArea, chat);
    chat->show();
    place(heatmap, chat, narrowness == Narrowness::kChatOver ? Qt::Vertical : Qt::Horizontal);
    // Splits first: what is split off a tab would become another tab.
    if (narrowness == Narrowness::kWide) {
        place(inspector, heatmap, Qt::Horizontal);
        place(checks, inspector, Qt::Vertical);
    }
    const bool load_below = narrowness == Narrowness::kWide || narrowness == Narrowness::kInspectorTabbed;
    if (load_below) {
        place(load, heatmap, Qt::Vertical);
        tab(load, length);
    }
    if (narrowness == Narrowness::kWide) {
        tab(inspector, expert);
        tab(inspector, attribution);
        inspector->raise();
    } else {
        tab(heatmap, inspector);
        tab(heatmap, expert);
        tab(heatmap, attribution);
        tab(heatmap, checks);
    }
    if (!load_below) {
        tab(heatmap, load);
        tab(heatmap, length);
    }
    load->raise();
    heatmap->raise();
    for (const QString& name : {u"bookmarks"_s, u"sessions"_s, u"log"_s}) {
        addDockWidget(Qt::RightDockWidgetArea, panel(name));
        panel(name)->hide();
    }
    PanelDock* timeline = panel(u"timeline"_s);
    if (narrowness == Narrowness::kChatOver) {
        tab(heatmap, timeline);
        heatmap->raise();
    } else {
        addDockWidget(Qt::BottomDockWidgetArea, timeline);
        timeline->show();
    }
    sizePanels(narrowness);
}

void MainWindow::sizePanels(Narrowness narrowness) {
    const bool chatting = m_page == m_chat_page;
    QList<QDockWidget*> docks;
    QList<int> sizes;
    const auto want = [&](const QString& name, int size) {
        if (PanelDock* dock = panel(name); dock->isVisibleTo(this)) {
            docks << dock;
            sizes << size;
        }
    };
    const int wide = width();
    if (narrowness != Narrowness::kChatOver) {
        // The start and error pages need room for two columns.
        const int chat = chatting ? wide * 29 / 100 : wide * 54 / 100;
        const int inspector = narrowness == Narrowness::kWide ? (chatting ? wide * 28 / 100 : wide * 23 / 100) : 0;
        want(u"chat"_s, chat);
        want(u"heatmap"_s, wide - chat - inspector);
        if (narrowness == Narrowness::kWide) want(u"inspector"_s, inspector);
        resizeDocks(docks, sizes, Qt::Horizontal);
    }
    docks.clear();
    sizes.clear();
    const int timeline = height() >= kAllTracksFrom ? kAllTracks : kTwoTracks;
    const int tall = height() - kAroundPanels - timeline;
    if (narrowness == Narrowness::kChatOver) {
        want(u"chat"_s, chatting ? tall * 46 / 100 : tall * 70 / 100);
        want(u"heatmap"_s, chatting ? tall * 54 / 100 : tall * 30 / 100);
    } else {
        const int load = narrowness == Narrowness::kLoadTabbed ? 0 : tall * 34 / 100;
        want(u"heatmap"_s, tall - load);
        if (load > 0) want(u"load"_s, load);
        if (narrowness == Narrowness::kWide) {
            const int checks = std::min(tall * 40 / 100, kAllChecks);
            want(u"inspector"_s, tall - checks);
            want(u"checks"_s, checks);
        }
    }
    want(u"timeline"_s, timeline);
    resizeDocks(docks, sizes, Qt::Vertical);
}

void MainWindow::makeWorkspaceSwitch() {
    m_workspace_tabs = new QTabBar(this);
    m_workspace_tabs->setObjectName(u"workspaces"_s);
    m_workspace_tabs->setAccessibleName(tr("Workspaces"));
    m_workspace_tabs->setDrawBase(false);
    m_workspace_tabs->setExpanding(false);
    m_workspace_tabs->setUsesScrollButtons(false);
    m_workspace_tabs->setElideMode(Qt::ElideNone);
    m_workspace_tabs->addTab(tr("Chat"));
    m_workspace_tabs->addTab(tr("Compare"));
    m_workspace_tabs->setTabToolTip(0, tr("Talk to the model and watch it route (Ctrl+1)"));
    // The menu bar asks before the style sheet has given the tabs their padding.
    m_workspace_tabs->setMinimumWidth(kWorkspaceTabs);
    m_workspace_tabs->setTabToolTip(1, tr("Run one prompt under several settings side by side (Ctrl+2)"));
    m_workspace_tabs->addTab(tr("Experiments"));
    m_workspace_tabs->setTabToolTip(2, tr("Ask many questions under many settings and see what changes (Ctrl+3)"));
    menuBar()->setCornerWidget(m_workspace_tabs, Qt::TopRightCorner);
    connect(m_workspace_tabs, &QTabBar::currentChanged, this,
            [this](int index) { setWorkspace(static_cast<Workspace>(index)); });
    showWorkspaceParts();
}

bool MainWindow::belongsTo(const QString& name, Workspace workspace) const {
    if (name == u"attribution"_s) return workspace != Workspace::kExperiments;  // of a token of either
    if (name.startsWith(u"experiment_"_s))
        return workspace == Workspace::kExperiments && (name != u"experiment_start"_s) == m_experiments->isOpen();
    const bool compared = name == u"lanes"_s || name == u"metrics"_s || name == u"forks"_s;
    return workspace != Workspace::kExperiments && compared == (workspace == Workspace::kCompare);
}

void MainWindow::showWorkspaceParts() {
    const bool chat = m_workspace == Workspace::kChat;
    const bool compare = m_workspace == Workspace::kCompare;
    const bool experiments = m_workspace == Workspace::kExperiments;
    m_controls->setChatting(chat);
    m_controls->fitWidth(width());
    m_controls->setVisible(!experiments);
    m_comparison->bar().setVisible(compare);
    m_experiments->bar().setVisible(experiments);
    m_experiments->progressBar().setVisible(experiments && m_experiments->isOpen());
    m_status->setVisible(chat);
    m_comparison->status().setVisible(compare);
    m_experiments->status().setVisible(experiments);
    for (const auto& [name, dock] : m_panels) {
        const bool belongs = belongsTo(name, m_workspace);
        dock->toggleViewAction()->setVisible(belongs);
        if (!belongs) dock->hide();
    }
    const QSignalBlocker blocker(m_workspace_tabs);
    m_workspace_tabs->setCurrentIndex(static_cast<int>(m_workspace));
}

void MainWindow::setWorkspace(Workspace workspace) {
    if (workspace == m_workspace) return;
    keepLayout();
    m_workspace = workspace;
    if (m_arranged) {
        if (m_workspace == Workspace::kChat) {
            arrangePanels(narrownessOf(size()));
        } else if (m_workspace == Workspace::kCompare) {
            arrangeComparison();
        } else {
            arrangeExperiments();
        }
        bringBackLayout();
    }
    showWorkspaceParts();
    m_what_if->refresh();
    if (workspace == Workspace::kCompare) {
        m_comparison->enter();
        panel(u"forks"_s)->setVisible(!m_comparison->forks().rows().empty());
    } else if (workspace == Workspace::kExperiments) {
        m_experiments->takeFocus();
    } else {
        (m_page == m_chat_page ? chatControl() : m_page)->setFocus();
    }
}

void MainWindow::arrangeComparison() {
    for (const auto& [name, dock] : m_panels) {
        removeDockWidget(dock);
        dock->setFloating(false);
    }
    PanelDock* lanes = panel(u"lanes"_s);
    PanelDock* metrics = panel(u"metrics"_s);
    addDockWidget(Qt::LeftDockWidgetArea, lanes);
    splitDockWidget(lanes, metrics, Qt::Vertical);
    PanelDock* forks = panel(u"forks"_s);
    PanelDock* attribution = panel(u"attribution"_s);
    splitDockWidget(metrics, forks, Qt::Horizontal);
    tabifyDockWidget(forks, attribution);
    lanes->show();
    metrics->show();
    forks->setVisible(!m_comparison->forks().rows().empty());
    attribution->hide();
    const int tall = height() - kAroundPanels;
    const int table = std::clamp(tall * 31 / 100, kFewestMetrics, kMostMetrics);
    resizeDocks({lanes, metrics}, {tall - table, table}, Qt::Vertical);
    const int tree = std::clamp(width() * 32 / 100, kNarrowestForks, kWidestForks);
    resizeDocks({metrics, forks}, {width() - tree, tree}, Qt::Horizontal);
}

void MainWindow::resetLayout() {
    if (m_workspace == Workspace::kCompare) {
        m_comparison_layout.clear();
        return arrangeComparison();
    }
    if (m_workspace == Workspace::kExperiments) {
        m_experiment_layout.clear();
        return arrangeExperiments();
    }
    m_layouts = {};
    arrangePanels(narrownessOf(size()));
}

void MainWindow::keepLayout() {
    if (!m_arranged) return;
    if (m_workspace == Workspace::kCompare) {
        m_comparison_layout = saveState(kComparisonLayoutVersion);
        return;
    }
    if (m_workspace == Workspace::kExperiments) {
        if (m_experiments->isOpen()) m_experiment_layout = saveState(kExperimentLayoutVersion);
        return;
    }
    if (m_page != m_chat_page) return;
    m_layouts[static_cast<std::size_t>(m_narrowness)] = saveState(kLayoutVersion);
}

void MainWindow::bringBackLayout() {
    restoreLayout();
    // A layout that was kept says of all bars whether they are shown.
    m_recording->bar().setVisible(!m_shown_recording.isEmpty());
    nameTabBars();
}

void MainWindow::restoreLayout() {
    if (m_workspace == Workspace::kCompare) {
        if (!m_comparison_layout.isEmpty()) restoreState(m_comparison_layout, kComparisonLayoutVersion);
        return;
    }
    if (m_workspace == Workspace::kExperiments) {
        if (m_experiments->isOpen() && !m_experiment_layout.isEmpty())
            restoreState(m_experiment_layout, kExperimentLayoutVersion);
        return;
    }
    const QByteArray& kept = m_layouts[static_cast<std::size_t>(m_narrowness)];
    const bool chatting = m_page == m_chat_page;
    // Another version's layout is refused, and the default stays.
    if (!chatting || kept.isEmpty() || !restoreState(kept, kLayoutVersion)) sizePanels(m_narrowness);
}

void MainWindow::nameTabBars() {
    for (QTabBar* bar : findChildren<QTabBar*>(Qt::FindDirectChildrenOnly)) bar->setAccessibleName(tr("Panels"));
}

void MainWindow::fitHeight() {
    m_strip->setVisible(narrownessOf(size()) != Narrowness::kChatOver || height() >= kStripFrom);
}

void MainWindow::rearrange() {
    if (m_workspace != Workspace::kChat) return;  // its panels fit any width
    const Narrowness narrowness = narrownessOf(size());
    if (narrowness == m_narrowness) return;
    // Panels that are taken out and put back lose the focus to whatever stands next.
    const QPointer<QWidget> focused = focusWidget();
    keepLayout();
    arrangePanels(narrowness);
    bringBackLayout();
    if (focused != nullptr && focused->isVisible()) focused->setFocus();
}

void MainWindow::resizeEvent(QResizeEvent* event) {
    QMainWindow::resizeEvent(event);
    m_controls->fitWidth(event->size().width());
    m_comparison->bar().fitWidth(event->size().width());
    m_experiments->bar().fitWidth(event->size().width());
    m_recording->transport().fitWidth(event->size().width());
    fitHeight();
    if (m_arranged) m_rearrange.start();
}

void MainWindow::showEvent(QShowEvent* event) {
    QMainWindow::showEvent(event);
    if (m_arranged) return;
    m_arranged = true;
    for (std::size_t i = 0; i < m_layouts.size(); ++i) m_layouts[i] = m_settings.layout(static_cast<int>(i));
    m_comparison_layout = m_settings.comparisonLayout();
    m_experiment_layout = m_settings.experimentLayout();
    m_controls->fitWidth(width());
    m_comparison->bar().fitWidth(width());
    m_experiments->bar().fitWidth(width());
    if (m_workspace != Workspace::kChat) {
        if (m_workspace == Workspace::kCompare) {
            arrangeComparison();
        } else {
            arrangeExperiments();
        }
        bringBackLayout();
        return showWorkspaceParts();
    }
    arrangePanels(narrownessOf(size()));
    bringBackLayout();
    showWorkspaceParts();
    (m_page == m_chat_page ? chatControl() : m_page)->setFocus();
}

bool MainWindow::focusNextPrevChild(bool next) {
    // Panels behind another one of their tabs are visible to Qt, but not to anyone who follows the focus.
    QWidget* const from = focusWidget() == nullptr ? this : focusWidget();
    const auto takesTab = [this](const QWidget* widget) {
        return (widget->focusPolicy() & Qt::TabFocus) == Qt::TabFocus && widget->focusProxy() == nullptr &&
               widget->window() == this && widget->isEnabled() && widget->isVisibleTo(this) &&
               !widget->visibleRegion().isEmpty();
    };
    QWidget* to = from;
    do {
        to = next ? to->nextInFocusChain() : to->previousInFocusChain();
    } while (to != from && !takesTab(to));
    if (to == from) return false;
    to->setFocus(next ? Qt::TabFocusReason : Qt::BacktabFocusReason);
    return true;
}

void MainWindow::showPanel(const QString& name) {
    PanelDock* dock = panel(name);
    if (dock == nullptr) return;
    if (!belongsTo(name, m_workspace)) {
        for (const Workspace other : {Workspace::kChat, Workspace::kCompare, Workspace::kExperiments}) {
            if (belongsTo(name, other)) {
                setWorkspace(other);
                break;
            }
        }
    }
    dock->show();
    dock->raise();
    dock->widget()->setFocus();
}

}  // namespace mixoscope
