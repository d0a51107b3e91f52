#include "durability/recording_role_test.h"

#include <unistd.h>

#include <atomic>
#include <random>

#include "sessions/recorder.h"
#include "support/recorded_session.h"

namespace mixoscope::test {

namespace {

constexpr int kTurnsBetweenFlushes = 8;
constexpr int kLongestPauseUs = 1500;

/// One session from its first byte to its last, unless the process is killed before.
void recordOne(const RecordingPlan& plan, const std::filesystem::path& file, std::int32_t number) {
    const auto ring = std::make_shared<TraceRing>(plan.shape(), static_cast<std::size_t>(plan.ring_slots));
    SyntheticEngine engine(plan.shape(), plan.seed + static_cast<std::uint32_t>(number), *ring);
    std::mt19937 random(plan.seed);
    std::atomic<const Recorder*> recording = nullptr;
    RecordingOptions options = syntheticRecording(file, plan.shape());
    options.status_changed = [&] {
        const Recorder* const recorder = recording.load();
        if (recorder == nullptr) return;
        const RecorderStatus status = recorder->status();
        if (status.state == RecorderStatus::State::kFailed) _exit(4);  // nothing was to fail
        tellTest(kCommitted, number, status.committed_rows);
    };
    tellTest(kOpening, number, number);
    auto recorder = std::make_unique<Recorder>(std::move(options), ring, ring->makeReader());
    recording = recorder.get();
    if (!recorder->flush()) _exit(4);
    tellTest(kOpened, number, 0);
    for (int turn = 0; turn < plan.turns; ++turn) {
        recorder->addMessage(turn, Role::kUser, "question " + std::to_string(turn), ThinkingMode::kThink);
        engine.play(0, {.kept = 0, .prompt = 20, .thinking = 3, .answer = 4});
        tellTest(kProduced, number, engine.serial());
        if (plan.flushes && static_cast<int>(random() % kTurnsBetweenFlushes) == 0) {
            if (!recorder->flush()) _exit(4);
            tellTest(kFlushed, number, engine.serial());
            tellTest(kTurns, number, turn + 1);
        }
        usleep(static_cast<useconds_t>(random() % kLongestPauseUs));
    }
    tellTest(kClosing, number, 0);
    recording = nullptr;
    recorder.reset();
    tellTest(kFlushed, number, engine.serial());
    tellTest(kTurns, number, plan.turns);
    tellTest(kClosed, number, 0);
}

int recordUntilKilled(const std::vector<std::string>& arguments) {
    RecordingPlan plan;
    plan.seed = static_cast<std::uint32_t>(std::stoul(arguments[1]));
    plan.turns = std::stoi(arguments[2]);
    plan.ring_slots = std::stoi(arguments[3]);
    plan.flushes = arguments[4] == "1";
    plan.distributions = arguments[5] == "1";
    for (std::int32_t number = 0;; ++number) recordOne(plan, recordedFile(arguments[0], number), number);
}

const RoleRegistration kRecordUntilKilled("record-until-killed", recordUntilKilled);

}  // namespace

std::vector<std::string> RecordingPlan::arguments(const std::filesystem::path& directory) const {
    return {directory.string(),         std::to_string(seed), std::to_string(turns),
            std::to_string(ring_slots), flushes ? "1" : "0",  distributions ? "1" : "0"};
}

std::filesystem::path recordedFile(const std::filesystem::path& directory, std::int32_t number) {
    return directory / (std::to_string(number) + ".mixo");
}

}  // namespace mixoscope::test
