#include "app/window/screenshot.h"

#include <QApplication>
#include <QDir>
#include <QDockWidget>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QImageWriter>
#include <QTimer>
#include <limits>
#include <memory>

#include "app/window/comparison_workspace.h"
#include "app/window/experiment_workspace.h"
#include "app/window/main_window.h"
#include "app/window/platform.h"
#include "engine/error.h"
#include "sessions/experiment_store.h"
#include "sessions/session_replay.h"
#include "views/chart_refresh.h"
#include "views/exportable_view.h"
#include "views/fork_tree.h"
#include "views/format.h"
#include "views/lanes_text.h"
#include "views/lanes_view.h"
#include "views/metrics_view.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kLongestRunMs = 300'000;
// The slowest view has begun its layout by then: its timer, which was started before, ends before this one's, however
// busy the processor is.
constexpr int kSettleMs = 2 * kChartRefreshMs;
constexpr qreal kViewScale = 2.0;  // sharp when a view is enlarged

/// Runs the event loop until `done` or the time is over.
bool runUntil(const std::function<bool()>& done, int limit_ms) {
    QElapsedTimer time;
    time.start();
    QEventLoop loop;
    QTimer tick;
    QObject::connect(&tick, &QTimer::timeout, &loop, [&] {
        if (done() || time.elapsed() > limit_ms) loop.quit();
    });
    tick.start(5);
    if (!done()) loop.exec();
    return done();
}

void runConversation(MainWindow& window, Workbench& workbench, const ScreenshotOptions& options) {
    const auto latest = [&] { return window.bridge().latest(); };
    window.openModel(QString::fromStdString(options.model));
    runUntil([&] { return latest()->state == WorkbenchState::kReady || latest()->load_error.has_value(); },
             kLongestRunMs);
    if (latest()->load_error.has_value()) throw Error(*latest()->load_error);
    workbench.send(options.prompt);
    const bool finished = runUntil(
        [&] {
            const auto snapshot = latest();
            if (snapshot->turn_error.has_value()) return true;
            return snapshot->state == WorkbenchState::kReady && !snapshot->lanes.empty() &&
                   !snapshot->lanes.front().turns.empty() &&
                   snapshot->lanes.front().turns.back().stop_reason != StopReason::kNone;
        },
        kLongestRunMs);
    if (latest()->turn_error.has_value()) throw Error(*latest()->turn_error);
    if (!finished) {
        throw Error({.what = "The model did not finish its answer in time for the picture", .where = options.model});
    }
}

/// The newest thinking token that is more than white space, so that the panels about one token have one to show.
void selectToken(MainWindow& window) {
    const auto snapshot = window.bridge().latest();
    if (snapshot->lanes.empty()) return;
    const History& history = snapshot->lanes.front().history;
    std::int32_t chosen = history.rowCount() - 1;
    for (std::int32_t position = 0; position < history.rowCount(); ++position) {
        const TokenRecord& token = history.token(position);
        const bool plain = (token.trace.flags & (token_flag::kTag | token_flag::kInjected)) == 0;
        const bool blank = format::plainText(token.bytes).trimmed().isEmpty();
        if (token.trace.phase == Phase::kThinking && plain && !blank) chosen = position;
    }
    if (chosen >= 0) window.selection().setToken(chosen);
}

QString names(const MainWindow& window) {
    QStringList known;
    for (const ExportableView* view : window.exportableViews()) known << view->viewName();
    return known.join(u", "_s);
}

WorkbenchOptions withoutRecording(const std::filesystem::path& demo_directory) {
    WorkbenchOptions options;
    options.demo_directory = demo_directory;
    options.record = false;
    return options;
}

/// Whether the view shows the forks of a conversation.
bool belongsToForks(MainWindow& window, const ExportableView* view) {
    ComparisonWorkspace& comparison = window.comparison();
    return view != nullptr &&
           (view == &comparison.lanes() || view == &comparison.metrics() || view == &comparison.forks());
}

/// A window off screen, over a workbench that records nothing.
class HiddenWindow {
public:
    /// `snapshot`: what to show; null: what the workbench does.
    HiddenWindow(const std::filesystem::path& demo_directory, const SnapshotPointer& snapshot, QSize size)
        : workbench(withoutRecording(demo_directory)),
          window(workbench, {.settings_file = u"-"_s,
                             .source = snapshot == nullptr ? SnapshotSource{} : WorkbenchBridge::sourceOf(snapshot),
                             .engine = withoutRecording(demo_directory)}) {
        window.setAttribute(Qt::WA_DontShowOnScreen);
        window.resize(size);
        window.show();
    }

    /// Shows what the snapshot is about, has a token selected, and waits until layouts have settled and charts are
    /// drawn.
    void settle(const ExportableView* view = nullptr) {
        const bool forked = !window.bridge().latest()->forks.empty() && belongsToForks(window, view);
        if (forked) window.comparison().showNewestForks();
        if (forked || window.bridge().latest()->comparison != nullptr) {
            window.setWorkspace(Workspace::kCompare);
            window.comparison().lanes().text().setFollow(false);
        }
        selectToken(window);
        QEventLoop settling;
        QTimer::singleShot(kSettleMs, &settling, &QEventLoop::quit);
        settling.exec();
        // What the refreshed views have put off in their turn.
        for (int pass = 0; pass < 3; ++pass) QCoreApplication::processEvents();
    }

    Workbench workbench;
    MainWindow window;
};

/// The session as it was at this step; its end if that is negative.
SnapshotPointer sessionAt(const std::filesystem::path& session, std::int64_t step) {
    SessionReplay replay(session);
    while (replay.readMore(std::numeric_limits<std::int64_t>::max())) {
    }
    const std::int64_t steps = replay.index()->count();
    if (step == 0 || step > steps) {
        throw Error({.what = "The session has no such step",
                     .where = session.string(),
                     .expected = "1 to " + std::to_string(steps),
                     .found = std::to_string(step)});
    }
    if (step > 0) replay.seek(step);
    auto shown = std::make_shared<WorkbenchSnapshot>(replay.snapshot());
    shown->serial = 1;
    return shown;
}

ExportableView* viewNamed(const MainWindow& window, const std::string& name) {
    if (name.empty()) return nullptr;
    ExportableView* view = window.findView(QString::fromStdString(name));
    if (view == nullptr) {
        throw Error({.what = "There is no view of this name",
                     .where = "--view",
                     .expected = names(window).toStdString(),
                     .found = name});
    }
    return view;
}

}  // namespace

QImage pictureOf(const SnapshotPointer& snapshot, QSize size) {
    HiddenWindow hidden({}, snapshot, size);
    hidden.settle();
    return renderWidget(hidden.window, 1.0);
}

namespace {

/// Brings the panel of a view before the others of its tabs, so that it has a size.
void raisePanelOf(ExportableView* view) {
    for (auto* widget = dynamic_cast<QWidget*>(view); widget != nullptr; widget = widget->parentWidget()) {
        if (auto* dock = qobject_cast<QDockWidget*>(widget)) dock->raise();
    }
}

/// Of the results of an experiment.
QImage pictureOfExperiment(const ScreenshotOptions& options) {
    HiddenWindow hidden(options.demo_directory, nullptr, {options.width, options.height});
    ExportableView* view = viewNamed(hidden.window, options.view);
    hidden.window.openExperiment(QString::fromStdString(options.session.string()));
    const ExperimentWorkspace& experiments = hidden.window.experiments();
    const auto isOver = [&] {
        const ExperimentSnapshot& shown = *experiments.latest();
        return shown.state == ExperimentState::kReady || shown.error.has_value();
    };
    const bool opened = runUntil(isOver, kLongestRunMs);
    if (const auto& error = experiments.latest()->error) throw Error(*error);
    if (!opened) throw Error({.what = "The experiment could not be read in time", .where = options.session.string()});
    raisePanelOf(view);
    hidden.settle(view);
    return view != nullptr ? view->renderToImage(kViewScale) : renderWidget(hidden.window, 1.0);
}

}  // namespace

QImage pictureOf(const ScreenshotOptions& options) {
    Theme::instance().setChoice(options.theme == "dark" ? ThemeChoice::kDark : ThemeChoice::kLight);
    if (!options.session.empty() && holdsExperiment(options.session)) return pictureOfExperiment(options);
    const SnapshotPointer session = options.session.empty() ? nullptr : sessionAt(options.session, options.step);
    HiddenWindow hidden(options.demo_directory, session, {options.width, options.height});
    ExportableView* view = viewNamed(hidden.window, options.view);
    if (session == nullptr) runConversation(hidden.window, hidden.workbench, options);
    hidden.settle(view);
    return view != nullptr ? view->renderToImage(kViewScale) : renderWidget(hidden.window, 1.0);
}

void savePicture(const QImage& picture, const QString& path) {
    // Qt would empty a file before it finds that it knows no format of this name: a session, say.
    const QByteArray format = QFileInfo(path).suffix().toLower().toUtf8();
    if (QImageWriter::supportedImageFormats().contains(format) && picture.save(path)) return;
    throw Error({.what = "The picture cannot be written",
                 .where = path.toStdString(),
                 .advice = "Name a file that ends in .png in a folder that you may write to"});
}

void takeScreenshot(int argc, char** argv, const ScreenshotOptions& options) {
    nameRuntimeDirectory();
    drawOffscreenWithoutDisplay();
    QApplication application(argc, argv);
    QApplication::setApplicationVersion(QStringLiteral(MIXO_VERSION));
    Theme::install(application, ThemeChoice::kLight);
    savePicture(pictureOf(options), QString::fromStdString(options.out.string()));
}

}  // namespace mixoscope
