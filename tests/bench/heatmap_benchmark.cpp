// Frame times of the real heatmap widget, painted offscreen, while tokens arrive: four lanes at 500 tokens a second
// with the largest published shape, and the demo model's. Prints JSON.
#include <QApplication>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "probes/aggregates.h"
#include "support/reasoning_lane.h"
#include "views/heatmap_view.h"
#include "views/theme.h"

namespace {

using namespace mixoscope;
using Clock = std::chrono::steady_clock;

constexpr double kFrameMs = 1000.0 / 60.0;

struct Scenario {
    const char* name;
    TraceShape shape;
    int lanes;
    double tokens_per_second;  // of each lane
    int tokens;                // of each lane
    qreal device_pixel_ratio;
};

double millisecondsSince(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

nlohmann::json summary(std::vector<double> times) {
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) {
        return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
    };
    const auto late = std::count_if(times.begin(), times.end(), [](double time) { return time > kFrameMs; });
    return {{"p50_ms", at(0.5)},
            {"p95_ms", at(0.95)},
            {"max_ms", times.back()},
            {"frames", times.size()},
            {"frames_over_16_7_ms", late}};
}

/// Plays the scenario frame by frame in model time: each frame gets the rows that arrive in 1/60 s; then update and
/// painting are timed as the window does them. Aggregation is not timed: it runs on another thread.
nlohmann::json play(const Scenario& scenario, Projection projection) {
    std::vector<std::unique_ptr<test::ReasoningLane>> lanes;
    for (int lane = 0; lane < scenario.lanes; ++lane) {
        const test::LaneLength length{
            .prompt = 64, .thinking = scenario.tokens, .answer = 0, .budget = 1 << 20, .cut_by_budget = false};
        lanes.push_back(
            std::make_unique<test::ReasoningLane>(scenario.shape, length, static_cast<std::uint64_t>(lane) + 1, lane));
    }
    Aggregates aggregates(scenario.shape, true, &test::ReasoningLane::tokenBytes, scenario.shape.slots);
    Selection selection;
    HeatmapView view(selection);
    view.setProjection(projection);
    view.resize(700, 480);
    view.show();
    QImage screen((QSizeF(view.size()) * scenario.device_pixel_ratio).toSize(), QImage::Format_RGB32);
    screen.setDevicePixelRatio(scenario.device_pixel_ratio);
    std::vector<double> frames;
    std::vector<double> updates;
    double due = 0.0;
    std::int64_t serial = 0;
    std::uint64_t snapshots = 0;
    while (!lanes.front()->atEnd()) {
        due += scenario.tokens_per_second / 60.0;
        for (; due >= 1.0; due -= 1.0) {
            for (auto& lane : lanes) {
                if (lane->atEnd()) continue;
                StepTrace trace = lane->next();
                trace.serial = serial++;
                aggregates.add(trace);
            }
        }
        auto snapshot = std::make_shared<WorkbenchSnapshot>();
        snapshot->serial = ++snapshots;
        snapshot->lanes = aggregates.snapshot();
        const auto start = Clock::now();
        view.setSnapshot(snapshot);
        updates.push_back(millisecondsSince(start));
        view.render(&screen);
        frames.push_back(millisecondsSince(start));
    }
    nlohmann::json result = summary(frames);
    result["update_p95_ms"] = summary(updates)["p95_ms"];
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    QApplication application(argc, argv);
    Theme::install(application, ThemeChoice::kLight);
    const Scenario scenarios[] = {
        {"94 layers x 128 experts, 4 lanes", {94, 8, 128, false}, 4, 500.0, 1500, 1.0},
        {"94 layers x 128 experts, 4 lanes, device pixel ratio 2", {94, 8, 128, false}, 4, 500.0, 1500, 2.0},
        {"demo, 4 layers x 32 experts", {4, 4, 32, false}, 1, 2000.0, 4000, 1.0},
    };
    const std::pair<const char*, Projection> projections[] = {{"expert_by_token", Projection::kExpertToken},
                                                              {"layer_by_token", Projection::kLayerToken}};
    nlohmann::json report = nlohmann::json::array();
    for (const Scenario& scenario : scenarios) {
        for (const auto& [name, projection] : projections) {
            nlohmann::json entry = play(scenario, projection);
            entry["scenario"] = scenario.name;
            entry["projection"] = name;
            entry["tokens_per_second"] = scenario.tokens_per_second * scenario.lanes;
            report.push_back(std::move(entry));
        }
    }
    std::printf("%s\n", report.dump(1).c_str());
    return 0;
}
