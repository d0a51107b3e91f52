// Where the panels are: the layout of a first start at each width, and what is kept from one start to the next.
#include <QApplication>
#include <QPointer>
#include <QResizeEvent>
#include <QStackedWidget>
#include <QTabBar>
#include <algorithm>

#include "app/window/control_bar.h"
#include "app/window/main_window.h"
#include "app/window/panel_dock.h"
#include "views/composer.h"
#include "views/error_page.h"
#include "views/start_page.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

constexpr int kLayoutVersion = 2;
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
        inspector->raise();
    } else {
        tab(heatmap, inspector);
        tab(heatmap, expert);
        tab(heatmap, checks);
    }
    if (!load_below) {
        tab(heatmap, load);
        tab(heatmap, length);
    }
    load->raise();
    heatmap->raise();
    for (const QString& name : {u"sessions"_s, u"log"_s}) {
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

void MainWindow::resetLayout() {
    m_layouts = {};
    arrangePanels(narrownessOf(size()));
}

void MainWindow::keepLayout() {
    if (!m_arranged || m_page != m_chat_page) return;
    m_layouts[static_cast<std::size_t>(m_narrowness)] = saveState(kLayoutVersion);
}

void MainWindow::bringBackLayout() {
    const QByteArray& kept = m_layouts[static_cast<std::size_t>(m_narrowness)];
    const bool chatting = m_page == m_chat_page;
    // Another version's layout is refused, and the default stays.
    if (!chatting || kept.isEmpty() || !restoreState(kept, kLayoutVersion)) sizePanels(m_narrowness);
    nameTabBars();
}

void MainWindow::nameTabBars() {
    for (QTabBar* bar : findChildren<QTabBar*>(Qt::FindDirectChildrenOnly)) bar->setAccessibleName(tr("Panels"));
}

void MainWindow::fitHeight() {
    m_strip->setVisible(narrownessOf(size()) != Narrowness::kChatOver || height() >= kStripFrom);
}

void MainWindow::rearrange() {
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
    fitHeight();
    if (m_arranged) m_rearrange.start();
}

void MainWindow::showEvent(QShowEvent* event) {
    QMainWindow::showEvent(event);
    if (m_arranged) return;
    m_arranged = true;
    for (std::size_t i = 0; i < m_layouts.size(); ++i) m_layouts[i] = m_settings.layout(static_cast<int>(i));
    m_controls->fitWidth(width());
    arrangePanels(narrownessOf(size()));
    bringBackLayout();
    (m_page == m_chat_page ? static_cast<QWidget*>(m_composer) : m_page)->setFocus();
}

void MainWindow::showPanel(const QString& name) {
    PanelDock* dock = panel(name);
    if (dock == nullptr) return;
    dock->show();
    dock->raise();
    dock->widget()->setFocus();
}

}  // namespace mixoscope
