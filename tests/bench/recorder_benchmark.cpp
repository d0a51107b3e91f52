// Does the recorder keep up? Traces of a large model (94 MoE layers, 128 experts, top-8) come at the pace of a fast
// engine, once without and once with the full distributions, through a ring of the size that the workbench makes, and
// are recorded to a file in TMPDIR (/tmp). Reported: rows a second, processor time of the recorder's thread as a share
// of one core, records that the ring lost, bytes of the closed file over those of the packed routing in it, and how
// full the ring was at most.
#include <benchmark/benchmark.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "sessions/recorder.h"
#include "sessions/ring_shape.h"
#include "sessions/session_writer.h"
#include "sessions/trace_blob.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace {

using namespace mixoscope;
using Clock = std::chrono::steady_clock;

constexpr int kSeconds = 8;
constexpr std::int64_t kDifferentRows = 64;

TraceShape shapeOf(bool distributions) {
    return {94, 8, 128, distributions};
}

/// Rows made beforehand, so that making them is not measured.
class Rows {
public:
    explicit Rows(const TraceShape& shape) {
        test::SyntheticEngine engine(shape, 7, m_kept);
        for (std::int64_t row = 0; row < kDifferentRows; ++row) {
            TokenTrace token;
            token.id = static_cast<TokenId>('a' + row % 26);
            engine.row(0, token, {});
        }
    }
    StepTrace at(std::int64_t number) const {
        StepTrace trace = m_kept.records[static_cast<std::size_t>(number % kDifferentRows)].row.view();
        trace.serial = number;
        trace.step = number;
        trace.step_end_us = number * 500;
        trace.token.position = static_cast<std::int32_t>(number);
        return trace;
    }

private:
    test::KeepingSink m_kept;
};

double seconds(const timespec& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void reportSize(benchmark::State& state, const std::filesystem::path& file, const TraceShape& shape, double rows) {
    state.counters["file/packed"] =
        static_cast<double>(std::filesystem::file_size(file)) / (rows * static_cast<double>(routingBytes(shape)));
}

void record(benchmark::State& state) {
    const TraceShape shape = shapeOf(state.range(0) != 0);
    const std::int64_t per_second = state.range(1);
    const Rows rows(shape);
    for (auto _ : state) {
        const test::TemporaryDirectory directory;
        const std::filesystem::path file = directory / "a.mixo";
        const auto ring = std::make_shared<TraceRing>(shape, ringSlots(shape));
        const TraceRing::Reader reader = ring->makeReader();
        std::atomic<clockid_t> recorder_clock = CLOCK_MONOTONIC;
        RecordingOptions options = test::syntheticRecording(file, shape);
        options.status_changed = [&] {
            clockid_t clock{};
            if (pthread_getcpuclockid(pthread_self(), &clock) == 0) recorder_clock = clock;
        };
        auto recorder = std::make_unique<Recorder>(std::move(options), ring, reader);
        recorder->flush();
        timespec used_before{};
        clock_gettime(recorder_clock, &used_before);
        const Clock::time_point start = Clock::now();
        const std::int64_t count = per_second * kSeconds;
        for (std::int64_t row = 0; row < count; ++row) {
            std::this_thread::sleep_until(start + std::chrono::nanoseconds(1'000'000'000 * row / per_second));
            ring->onRow(rows.at(row));
            ring->onStepEnd(row);
        }
        recorder->flush();
        const double wall = std::chrono::duration<double>(Clock::now() - start).count();
        timespec used{};
        clock_gettime(recorder_clock, &used);
        const RecorderStatus status = recorder->status();
        if (status.error) state.SkipWithError(status.error->what.c_str());
        recorder.reset();
        state.SetIterationTime(wall);
        state.counters["rows/s"] = static_cast<double>(status.committed_rows) / wall;
        state.counters["cores"] = (seconds(used) - seconds(used_before)) / wall;
        state.counters["lost"] = static_cast<double>(status.lost);
        state.counters["ring_peak"] = static_cast<double>(reader.peakBacklog()) / static_cast<double>(ring->capacity());
        reportSize(state, file, shape, static_cast<double>(status.committed_rows));
    }
}
BENCHMARK(record)
    ->ArgNames({"distributions", "per_second"})
    ->Args({0, 2000})
    ->Args({1, 500})
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kSecond);

/// Without a ring and without a pause: rows that a core can write in a second.
void write(benchmark::State& state) {
    const TraceShape shape = shapeOf(state.range(0) != 0);
    const Rows rows(shape);
    const std::int64_t count = state.range(1);
    for (auto _ : state) {
        const test::TemporaryDirectory directory;
        const std::filesystem::path file = directory / "a.mixo";
        SessionWriter writer(file, test::syntheticModel(shape), test::syntheticBytes);
        for (std::int64_t row = 0; row < count; ++row) {
            writer.addRow(rows.at(row));
            if (row % 300 == 299) writer.commit();
        }
        writer.finish();
        reportSize(state, file, shape, static_cast<double>(count));
    }
    state.counters["rows/s"] =
        benchmark::Counter(static_cast<double>(count), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(write)
    ->ArgNames({"distributions", "rows"})
    ->Args({0, 8000})
    ->Args({1, 1000})
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace

BENCHMARK_MAIN();
