// Opens a large recorded session and moves about in it: seconds, memory, and how long the window was busy at a time.
// replay_benchmark [TOKENS] [MoE LAYERS] makes a session of that size (100,000 tokens of 48 layers, 128 experts,
// top-8).
#include <sys/resource.h>

#include <QApplication>
#include <QElapsedTimer>
#include <QEventLoop>
#include <QTimer>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "app/window/main_window.h"
#include "sessions/playback.h"
#include "sessions/session_replay.h"
#include "sessions/session_writer.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"
#include "views/theme.h"
#include "views/transport_bar.h"

namespace mixoscope {
namespace {

using Clock = std::chrono::steady_clock;

double msSince(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double residentMb() {
    std::ifstream status("/proc/self/statm");
    long pages = 0;
    status >> pages >> pages;
    return static_cast<double>(pages) * 4096.0 / 1e6;
}

double peakMb() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024.0 / 1e6;
}

/// A prompt of a thousand tokens, then thinking and an answer, with the routing of a random router.
void writeSession(const std::filesystem::path& file, const TraceShape& shape, std::int32_t tokens) {
    SessionWriter writer(file, test::syntheticModel(shape), test::syntheticBytes);
    writer.addMessage(0, static_cast<int>(Role::kUser), "a long question", static_cast<int>(ThinkingMode::kThink));
    writer.addTurnSettings(0, 0, "{}");
    const auto layers = static_cast<std::size_t>(shape.moe_layers);
    const auto slots = static_cast<std::size_t>(shape.slots);
    std::vector<std::int16_t> ids(layers * slots);
    std::vector<float> weights(layers * slots, 1.0F / static_cast<float>(slots));
    std::vector<RouterFacts> router(layers);
    std::mt19937 random(7);
    LaneEvent started;
    started.kind = LaneEventKind::kTurnStarted;
    started.value = 1000;
    writer.addEvent(started);
    const auto token = [&](std::int32_t position) {
        TokenTrace made;
        made.position = position;
        made.id = 97 + position % 26;
        made.phase = position < 1000 ? Phase::kPrompt : position < tokens * 8 / 10 ? Phase::kThinking : Phase::kAnswer;
        made.flags = position < 1000 ? 0 : token_flag::kSampled;
        made.thinking_tokens = std::clamp(position - 1000, 0, tokens * 8 / 10 - 1000);
        made.budget = 1 << 30;
        return made;
    };
    for (std::int32_t position = 0; position < tokens; ++position) {
        for (std::size_t layer = 0; layer < layers; ++layer) {
            const auto first = static_cast<std::int16_t>(random() % 16);
            for (std::size_t slot = 0; slot < slots; ++slot)
                ids[layer * slots + slot] = static_cast<std::int16_t>(first + 16 * static_cast<std::int16_t>(slot));
            router[layer].entropy = static_cast<float>(random() % 1000) / 1000.0F;
            router[layer].top_probability = 0.3F;
            router[layer].active = static_cast<std::uint16_t>(slots);
        }
        StepTrace trace;
        trace.serial = position + 1;
        trace.step = position < 1000 ? 0 : position - 999;
        trace.step_end_us = position * 1000;
        trace.step_us = 900;
        trace.rows_in_step = 1;
        trace.token = token(position);
        if (position >= 999) trace.next = token(position + 1);
        trace.expert_ids = ids;
        trace.expert_weights = weights;
        trace.router = router;
        writer.addRow(trace);
        if (position % 4096 == 0) writer.commit();
    }
    writer.finish();
}

nlohmann::json spread(std::vector<double> values) {
    std::ranges::sort(values);
    return {{"median", values[values.size() / 2]}, {"p95", values[values.size() * 95 / 100]}, {"max", values.back()}};
}

nlohmann::json measureReplay(const std::filesystem::path& file) {
    nlohmann::json report;
    const double before = residentMb();
    const Clock::time_point start = Clock::now();
    SessionReplay replay(file);
    report["open_ms"] = msSince(start);
    while (replay.readMore(1024)) {
    }
    report["read_s"] = msSince(start) / 1000.0;
    report["resident_mb"] = residentMb() - before;
    std::mt19937_64 random(3);
    std::vector<double> seeks;
    for (int jump = 0; jump < 100; ++jump) {
        const auto step = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(replay.index()->count())) + 1;
        const Clock::time_point from = Clock::now();
        replay.seek(step);
        const WorkbenchSnapshot shown = replay.snapshot();
        seeks.push_back(msSince(from));
    }
    report["seek_ms"] = spread(std::move(seeks));
    return report;
}

/// Longest time between two turns of the event loop while `done` is not true.
double busiestMs(const std::function<bool()>& done) {
    QEventLoop loop;
    QTimer tick;
    QElapsedTimer since;
    double longest = 0.0;
    since.start();
    QObject::connect(&tick, &QTimer::timeout, &loop, [&] {
        longest = std::max(longest, static_cast<double>(since.nsecsElapsed()) / 1e6);
        since.start();
        if (done()) loop.quit();
    });
    tick.start(0);
    loop.exec();
    return longest;
}

nlohmann::json measureWindow(const std::filesystem::path& file, QApplication& application) {
    Theme::install(application, ThemeChoice::kLight);
    Workbench workbench(WorkbenchOptions{});
    MainWindow window(workbench, {.settings_file = QStringLiteral("-"), .source = {}});
    window.show();
    const auto playback = [&]() -> const Playback* { return window.bridge().latest()->playback.get(); };
    nlohmann::json report;
    const double before = residentMb();
    const Clock::time_point start = Clock::now();
    window.openSession(QString::fromStdString(file.string()));
    report["open_call_ms"] = msSince(start);
    double busiest = busiestMs([&] { return playback() != nullptr; });
    report["first_shown_ms"] = msSince(start);
    busiest = std::max(busiest, busiestMs([&] { return playback()->state != PlaybackState::kReading; }));
    report["read_s"] = msSince(start) / 1000.0;
    report["busiest_ms"] = busiest;
    report["resident_mb"] = residentMb() - before;
    auto* transport = window.findChild<TransportBar*>();
    std::vector<double> seeks;
    std::vector<double> blocks;
    for (const double place : {0.5, 0.501, 0.1, 0.9, 0.25, 1.0}) {
        const auto step = std::max<std::int64_t>(
            1, static_cast<std::int64_t>(place * static_cast<double>(playback()->index->count())));
        const Clock::time_point from = Clock::now();
        Q_EMIT transport->stepAsked(step);
        blocks.push_back(busiestMs([&] { return playback()->step == step; }));
        seeks.push_back(msSince(from));
    }
    report["seek_ms"] = spread(std::move(seeks));
    report["seek_busiest_ms"] = spread(std::move(blocks));
    return report;
}

}  // namespace
}  // namespace mixoscope

int main(int argc, char** argv) {
    using namespace mixoscope;
    qputenv("QT_QPA_PLATFORM", "offscreen");
    QApplication application(argc, argv);
    const int tokens = argc > 1 ? std::atoi(argv[1]) : 100'000;
    const int layers = argc > 2 ? std::atoi(argv[2]) : 48;
    const test::TemporaryDirectory directory;
    const std::filesystem::path file = directory / "large.mixo";
    const Clock::time_point start = Clock::now();
    writeSession(file, {layers, 8, 128, false}, tokens);
    nlohmann::json report = {{"tokens", tokens},
                             {"moe_layers", layers},
                             {"write_s", msSince(start) / 1000.0},
                             {"file_mb", static_cast<double>(std::filesystem::file_size(file)) / 1e6}};
    report["replay"] = measureReplay(file);
    report["window"] = measureWindow(file, application);
    report["peak_mb"] = peakMb();
    std::printf("%s\n", report.dump(1).c_str());
    return 0;
}
