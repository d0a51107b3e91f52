#include "views/bridge.h"

#include <gtest/gtest.h>

#include <QSignalSpy>
#include <QTest>
#include <atomic>
#include <thread>

namespace mixoscope {
namespace {

/// Publishes empty snapshots with rising serials from any thread.
struct FakeSource {
    std::atomic<std::uint64_t> serial = 1;
    std::atomic<int> taken = 0;
    std::function<void()> wake;

    SnapshotSource source() {
        return {[this](std::function<void()> callback) { wake = std::move(callback); },
                [this] {
                    ++taken;
                    auto snapshot = std::make_shared<WorkbenchSnapshot>();
                    snapshot->serial = serial;
                    return snapshot;
                }};
    }
};

TEST(WorkbenchBridge, mergesWakeUpsOfAnotherThreadIntoOneSignal) {
    FakeSource fake;
    WorkbenchBridge bridge(fake.source());
    QSignalSpy spy(&bridge, &WorkbenchBridge::snapshotChanged);
    fake.serial = 7;
    std::thread writer([&fake] {
        for (int i = 0; i < 100; ++i) fake.wake();
    });
    writer.join();
    EXPECT_EQ(spy.count(), 0) << "nothing may run on the writer's thread";
    ASSERT_TRUE(spy.wait(5000));
    EXPECT_EQ(bridge.latest()->serial, 7u);
    QTest::qWait(50);
    EXPECT_EQ(spy.count(), 1);
    EXPECT_EQ(fake.taken, 2) << "once at construction, once for the frame";
}

TEST(WorkbenchBridge, doesNotPublishTheSameSerialTwice) {
    FakeSource fake;
    WorkbenchBridge bridge(fake.source());
    const QSignalSpy spy(&bridge, &WorkbenchBridge::snapshotChanged);
    bridge.refresh();
    EXPECT_EQ(spy.count(), 0);
    fake.serial = 2;
    bridge.refresh();
    bridge.refresh();
    EXPECT_EQ(spy.count(), 1);
}

TEST(WorkbenchBridge, wakeUpAfterDestructionIsHarmless) {
    FakeSource fake;
    std::function<void()> late;
    {
        WorkbenchBridge bridge(fake.source());
        late = fake.wake;
    }
    late();
    EXPECT_FALSE(fake.wake) << "the bridge unregisters itself";
}

TEST(WorkbenchBridge, findsLanesAndModelLayers) {
    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    EXPECT_EQ(findLane(snapshot, 0), nullptr);
    EXPECT_EQ(findLane(nullptr, 0), nullptr);
    snapshot->lanes.resize(2);
    snapshot->lanes[1].lane = 5;
    EXPECT_EQ(findLane(snapshot, 5), &snapshot->lanes[1]);
    EXPECT_EQ(modelLayer(snapshot, 2), 2);
    auto model = std::make_shared<ModelFacts>();
    model->moe_layers = {0, 3, 4};
    snapshot->model = model;
    EXPECT_EQ(modelLayer(snapshot, 1), 3);
}

}  // namespace
}  // namespace mixoscope
