#include "app/window/screenshot.h"

#include <QApplication>
#include <QDir>
#include <QElapsedTimer>
#include <QTimer>
#include <memory>

#include "app/window/main_window.h"
#include "app/window/platform.h"
#include "engine/error.h"
#include "probes/aggregates.h"
#include "sessions/session_file.h"
#include "sessions/settings_json.h"
#include "views/exportable_view.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kLongestRunMs = 300'000;
constexpr int kSettleMs = 60;
constexpr qreal kViewScale = 2.0;  // sharp when a view is enlarged

/// A session as a snapshot, through the same aggregates that a live chat goes through.
SnapshotPointer snapshotOfSession(const std::filesystem::path& path) {
    const SessionReader reader(path);
    const SessionModel model = reader.model();
    Aggregates aggregates(
        model.shape, model.weights_sum_to_one, [&reader](TokenId id) { return reader.tokenBytes(id); },
        model.experts_per_token);
    // Those of a lane's last turn, the one that the views describe; what changed meanwhile comes as events.
    reader.turnSettings([&](int, LaneId lane, const std::string& json) {
        aggregates.setSettings(lane, settingsFromJson(json, path.string()));
    });
    reader.replay([&](const StepTrace& trace) { aggregates.add(trace); },
                  [&](const LaneEvent& event) { aggregates.add(event); });

    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    snapshot->serial = 1;
    snapshot->state = WorkbenchState::kReady;
    auto facts = std::make_shared<ModelFacts>();
    facts->name = model.name;
    facts->directory = model.directory;
    facts->moe_layers = model.moe_layers;
    snapshot->model = facts;
    snapshot->lanes = aggregates.snapshot();
    reader.messages([&](int turn, int role, const std::string& text, int mode) {
        snapshot->conversation.push_back({.role = static_cast<Role>(role),
                                          .text = text,
                                          .thinking = {},
                                          .turn = turn,
                                          .mode = static_cast<ThinkingMode>(mode)});
    });
    if (!snapshot->lanes.empty()) snapshot->context_used = snapshot->lanes.front().history.tokenCount();
    snapshot->recorder.file = path;
    return snapshot;
}

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

}  // namespace

QImage pictureOf(const ScreenshotOptions& options) {
    Theme::instance().setChoice(options.theme == "dark" ? ThemeChoice::kDark : ThemeChoice::kLight);
    WorkbenchOptions workbench_options;
    workbench_options.demo_directory = options.demo_directory;
    workbench_options.record = false;
    Workbench workbench(workbench_options);
    WindowOptions window_options;
    window_options.settings_file = u"-"_s;
    if (!options.session.empty()) {
        window_options.source = {[](std::function<void()>) {},
                                 [snapshot = snapshotOfSession(options.session)] { return snapshot; }};
    }
    MainWindow window(workbench, std::move(window_options));
    window.setAttribute(Qt::WA_DontShowOnScreen);
    window.resize(options.width, options.height);
    window.show();
    ExportableView* view = nullptr;
    if (!options.view.empty()) {
        view = window.findView(QString::fromStdString(options.view));
        if (view == nullptr) {
            throw Error({.what = "There is no view of this name",
                         .where = "--view",
                         .expected = names(window).toStdString(),
                         .found = options.view});
        }
    }
    if (options.session.empty()) runConversation(window, workbench, options);
    selectToken(window);
    // Layouts settle, charts draw.
    QEventLoop settling;
    QTimer::singleShot(kSettleMs, &settling, &QEventLoop::quit);
    settling.exec();
    return view != nullptr ? view->renderToImage(kViewScale) : renderWidget(window, 1.0);
}

void takeScreenshot(int argc, char** argv, const ScreenshotOptions& options) {
    nameRuntimeDirectory();
    drawOffscreenWithoutDisplay();
    QApplication application(argc, argv);
    QApplication::setApplicationVersion(QStringLiteral(MIXO_VERSION));
    Theme::install(application, ThemeChoice::kLight);
    if (!pictureOf(options).save(QString::fromStdString(options.out.string()))) {
        throw Error({.what = "The picture cannot be written",
                     .where = options.out.string(),
                     .advice = "Name a file that ends in .png in a folder that you may write to."});
    }
}

}  // namespace mixoscope
