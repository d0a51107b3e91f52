// A workbench over a small random model.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "sessions/workbench.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope::test {

/// A workbench over a tiny model, with waits that end when a snapshot shows what is waited for.
class WorkbenchTest : public testing::Test {
protected:
    WorkbenchTest() {
        std::filesystem::create_directory(model_directory);
        writeTinyModel(model_directory);
        options.session_directory = directory / "sessions";
        options.backend = "reference";
    }

    void start() {
        workbench = std::make_unique<Workbench>(options);
        workbench->setWake([this] {
            const std::lock_guard lock(mutex);
            woken = true;
            changed.notify_all();
        });
    }

    void open() {
        start();
        workbench->openModel(model_directory.string());
        ASSERT_TRUE(workbench->waitIdle());
        ASSERT_EQ(workbench->snapshot()->state, WorkbenchState::kReady)
            << workbench->snapshot()->load_error.value_or(ErrorParts{}).what;
        LaneSettings settings = workbench->settings();
        settings.sampling.greedy = true;
        settings.max_tokens = 12;
        settings.ignore_eos = true;
        workbench->setSettings(settings);
    }

    std::shared_ptr<const WorkbenchSnapshot> turn(const std::string& text) {
        workbench->send(text);
        EXPECT_TRUE(workbench->waitIdle());
        return workbench->snapshot();
    }

    /// Waits for a snapshot of which `holds` is true; the test's time limit is the only other end.
    template <typename Condition>
    std::shared_ptr<const WorkbenchSnapshot> waitFor(Condition&& holds) {
        for (;;) {
            auto snapshot = workbench->snapshot();
            if (holds(*snapshot)) return snapshot;
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return woken; });
            woken = false;
        }
    }

    void change(const std::function<void(LaneSettings&)>& edit) {
        LaneSettings settings = workbench->settings();
        edit(settings);
        workbench->setSettings(settings);
    }

    TemporaryDirectory directory;
    std::filesystem::path model_directory = directory / "tiny";
    WorkbenchOptions options;
    std::mutex mutex;
    std::condition_variable changed;
    bool woken = false;
    std::unique_ptr<Workbench> workbench;
};

inline std::size_t generatedTokens(const LaneSnapshot& lane, std::size_t turn) {
    const History& history = lane.historyOfTurn(turn);
    return static_cast<std::size_t>(history.tokenCount() - lane.turns[turn].first_generated_position);
}

}  // namespace mixoscope::test
