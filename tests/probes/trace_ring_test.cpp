// The trace ring: order, exact loss counts, bit-identical records, and a writer that no reader can hold up.
#include "probes/trace_ring.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "support/synthetic_trace.h"

namespace mixoscope {
namespace {

using test::KeepingSink;
using test::SyntheticEngine;

constexpr TraceShape kShape{3, 4, 16, true};

TraceVisitor visitorOf(KeepingSink& sink) {
    return {[&](const StepTrace& trace) { sink.onRow(trace); }, [&](const LaneEvent& event) { sink.onEvent(event); }};
}

/// Tells two sinks the same.
class Both : public TraceSink {
public:
    Both(TraceSink& a, TraceSink& b) : m_a(a), m_b(b) {}
    void onRow(const StepTrace& trace) override { m_a.onRow(trace), m_b.onRow(trace); }
    void onEvent(const LaneEvent& event) override { m_a.onEvent(event), m_b.onEvent(event); }
    void onStepEnd(Step step) override { m_a.onStepEnd(step), m_b.onStepEnd(step); }

private:
    TraceSink& m_a;
    TraceSink& m_b;
};

TEST(TraceRing, givesBackEveryRecordBitForBit) {
    // The second has arrays of which none ends with a whole word.
    for (const TraceShape& shape : {kShape, TraceShape{1, 3, 5, true}}) {
        TraceRing ring(shape, 64);
        auto reader = ring.makeReader();
        KeepingSink expected;
        Both both(ring, expected);
        SyntheticEngine engine(shape, 7, both);
        engine.play(0, {});
        KeepingSink seen;
        EXPECT_EQ(reader.backlog(), expected.records.size());
        EXPECT_EQ(reader.drain(visitorOf(seen)), expected.records.size());
        ASSERT_EQ(seen.records.size(), expected.records.size());
        for (std::size_t i = 0; i < seen.records.size(); ++i)
            EXPECT_TRUE(test::sameRecord(seen.records[i], expected.records[i])) << "record " << i;
        EXPECT_EQ(reader.lost(), 0);
        EXPECT_EQ(reader.backlog(), 0U);
        EXPECT_EQ(reader.position(), ring.written());
    }
}

TEST(TraceRing, cutsARowThatIsWiderThanTheShape) {
    TraceRing ring({1, 2, 3, false}, 2);
    auto reader = ring.makeReader();
    const std::vector<std::int16_t> ids(100, 7);
    const std::vector<float> values(100, 0.5F);
    const std::vector<RouterFacts> router(100);
    StepTrace wide;
    wide.expert_ids = ids;
    wide.expert_weights = wide.distributions = values;
    wide.router = router;
    StepTrace narrow;
    narrow.serial = 1;
    ring.onRow(narrow);
    ring.onRow(wide);
    std::vector<std::size_t> sizes;
    reader.drain({[&](const StepTrace& row) {
                      for (const std::size_t size : {row.expert_ids.size(), row.expert_weights.size(),
                                                     row.router.size(), row.distributions.size()})
                          sizes.push_back(size);
                  },
                  nullptr});
    EXPECT_EQ(sizes, (std::vector<std::size_t>{0, 0, 0, 0, 2, 2, 1, 0}));
    EXPECT_EQ(reader.lost(), 0);
}

TEST(TraceRing, keepsRowsThatLackALayerAsTheyAre) {
    TraceRing ring(kShape, 8);
    auto reader = ring.makeReader();
    const std::vector<std::int16_t> ids{1, 2, 3};
    StepTrace trace;
    trace.expert_ids = ids;
    ring.onRow(trace);
    std::size_t seen = 0;
    reader.drain({[&](const StepTrace& row) {
                      seen = row.expert_ids.size();
                      EXPECT_TRUE(row.router.empty());
                  },
                  nullptr});
    EXPECT_EQ(seen, 3U);
}

TEST(TraceRing, startsAReaderAtTheNextRecordAndObeysTheLimit) {
    TraceRing ring(kShape, 64);
    KeepingSink nowhere;
    SyntheticEngine engine(kShape, 1, ring);
    engine.play(0, {});
    auto reader = ring.makeReader();
    KeepingSink seen;
    EXPECT_EQ(reader.drain(visitorOf(seen)), 0U);
    engine.play(0, {});
    EXPECT_EQ(reader.drain(visitorOf(seen), 3), 3U);
    ASSERT_EQ(seen.records.size(), 3U);
    EXPECT_TRUE(seen.records[0].is_event);
}

TEST(TraceRing, countsExactlyWhatASlowReaderLost) {
    TraceRing ring(kShape, 16);
    ASSERT_EQ(ring.capacity(), 16U);
    auto slow = ring.makeReader();
    auto quick = ring.makeReader();
    KeepingSink quick_seen;
    LaneEvent event;
    for (std::int64_t serial = 0; serial < 100; ++serial) {
        event.serial = serial;
        ring.onEvent(event);
        quick.drain(visitorOf(quick_seen));
    }
    EXPECT_EQ(slow.backlog(), 16U) << "what is lost waits no more";
    KeepingSink slow_seen;
    EXPECT_EQ(slow.drain(visitorOf(slow_seen)), 16U);
    EXPECT_EQ(slow.lost(), 84);
    EXPECT_EQ(slow_seen.records.front().event.serial, 84) << "the newest records stay";
    EXPECT_EQ(slow_seen.records.back().event.serial, 99);
    EXPECT_EQ(quick.lost(), 0);
    EXPECT_EQ(quick_seen.records.size(), 100U);
    EXPECT_EQ(slow.peakBacklog(), 16U);
    EXPECT_EQ(quick.peakBacklog(), 1U);
}

TEST(TraceRing, neverShowsARecordThatWasOverwrittenWhileItWasRead) {
    // Two slots of 64 KiB: the writer laps the reader in the middle of most copies.
    constexpr TraceShape shape{8, 8, 2048, true};
    constexpr std::int64_t kRecords = 30'000;
    TraceRing ring(shape, 2);
    auto reader = ring.makeReader();
    std::atomic<bool> done{false};
    std::thread writer([&] {
        std::vector<float> distributions(std::size_t{8} * 2048);
        for (std::int64_t serial = 0; serial < kRecords; ++serial) {
            std::fill(distributions.begin(), distributions.end(), static_cast<float>(serial));
            StepTrace trace;
            trace.serial = serial;
            trace.distributions = distributions;
            ring.onRow(trace);
            ring.onStepEnd(serial);
        }
        done = true;
        ring.wakeAll();
    });
    std::int64_t visited = 0;
    std::int64_t last = -1;
    std::int64_t torn = 0;
    const TraceVisitor visitor{[&](const StepTrace& trace) {
                                   ++visited;
                                   EXPECT_GT(trace.serial, last);
                                   last = trace.serial;
                                   for (const float value : trace.distributions)
                                       torn += value != static_cast<float>(trace.serial) ? 1 : 0;
                               },
                               nullptr};
    while (!done || reader.backlog() > 0) {
        reader.drain(visitor);
        if (!done) reader.wait(50);
    }
    writer.join();
    reader.drain(visitor);
    EXPECT_EQ(torn, 0) << "a record was seen half overwritten";
    EXPECT_EQ(visited + reader.lost(), kRecords) << "every record is either seen or counted as lost";
    EXPECT_EQ(last, kRecords - 1);
}

constexpr int kHour = 3'600'000;  // a lost wake-up exceeds the test's time limit

/// Gives the ring something, again and again, as soon as a reader that waits for it has taken the last.
template <typename Write>
void expectWakes(Write&& write) {
    constexpr std::uint64_t kRounds = 300;
    constexpr std::chrono::seconds kLongest{60};  // of a wait that nothing ends; others take microseconds
    TraceRing ring(kShape, 16);
    auto reader = ring.makeReader();
    std::atomic<bool> overslept{false};
    std::thread watcher([&] {
        while (reader.position() < kRounds && !overslept) {
            reader.drain({});
            if (reader.position() == kRounds) return;
            const auto start = std::chrono::steady_clock::now();
            reader.wait(static_cast<int>(std::chrono::milliseconds(kLongest).count()));
            overslept = std::chrono::steady_clock::now() - start >= kLongest;
        }
    });
    for (std::uint64_t round = 0; round < kRounds && !overslept; ++round) {
        write(ring);
        while (reader.position() <= round && !overslept) std::this_thread::yield();
    }
    watcher.join();
    EXPECT_FALSE(overslept) << "a wake-up was lost after record " << ring.written();
    EXPECT_EQ(reader.lost(), 0);
}

TEST(TraceRing, wakesAWaitingReaderAtTheEndOfAStep) {
    expectWakes([](TraceRing& ring) {
        ring.onRow({});
        ring.onStepEnd(0);
    });
}

TEST(TraceRing, wakesAWaitingReaderAtAnEvent) {
    expectWakes([](TraceRing& ring) { ring.onEvent({}); });
}

TEST(TraceRing, wakeAllEndsAWaitWithoutARecord) {
    TraceRing ring(kShape, 16);
    auto reader = ring.makeReader();
    std::thread watcher([&] { reader.wait(kHour); });
    ring.wakeAll();
    watcher.join();
    EXPECT_EQ(reader.backlog(), 0U);
}

}  // namespace
}  // namespace mixoscope
