#include "sessions/session_player.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "engine/unrecorded.h"
#include "sessions/error_parts.h"
#include "sessions/session_replay.h"

namespace mixoscope {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kFrame{16};
constexpr std::chrono::milliseconds kReadingFrame{100};      // views of a long session have more to do for each
constexpr std::chrono::duration<double> kUntimedStep{0.05};  // of a recording that tells no times
constexpr std::int64_t kRecordsAtOnce = 1024;
constexpr double kLongestWait_s = 86400.0;  // whatever the speed: a clock holds it

}  // namespace

struct SessionPlayer::Impl {
    explicit Impl(std::filesystem::path file) : path(std::move(file)) {
        thread = std::jthread([this](std::stop_token stop) { run(stop); });
    }

    ~Impl() {
        thread.request_stop();
        {
            const std::lock_guard lock(mutex);
            changed.notify_all();
        }
        thread.join();
    }

    // Any thread.
    template <typename Change>
    void command(Change&& change) {
        const std::lock_guard lock(mutex);
        change();
        asked = true;
        changed.notify_all();
    }

    // The player's thread.
    void run(const std::stop_token& stop) {
        try {
            SessionReplay replay(path, [&stop] { return stop.stop_requested(); });
            playback.model = replay.modelAtHand();
            playback.rows_total = replay.rowsTotal();
            if (read(replay, stop)) play(replay, stop);
        } catch (const std::exception& exception) {
            if (stop.stop_requested()) return;
            WorkbenchSnapshot failed;
            failed.recorded = true;
            failed.load_error = partsOf(exception);
            failed.recorder.file = path;
            publish(std::move(failed));
        }
    }

    /// False: stopped on the way.
    bool read(SessionReplay& replay, const std::stop_token& stop) {
        Clock::time_point next_frame = Clock::now();
        while (!stop.stop_requested()) {
            const bool more = replay.readMore(kRecordsAtOnce);
            playback.rows_read = replay.rowsRead();
            if (!more) {
                playback.state = PlaybackState::kPaused;
                publish(replay);
                return true;
            }
            if (Clock::now() < next_frame) continue;
            publish(replay);
            next_frame = Clock::now() + kReadingFrame;
        }
        return false;
    }

    void play(SessionReplay& replay, const std::stop_token& stop) {
        const PlaybackIndex& index = *replay.index();
        while (takeCommands(stop)) {
            const auto wanted = std::exchange(target, std::nullopt);
            const bool begins_anew = std::exchange(other_speed, false) || wanted;
            if (wanted) replay.seek(*wanted);
            if (begins_anew) due = Clock::now() + lengthOf(index, replay.step() + 1);
            if (playback.state == PlaybackState::kPlaying) advance(replay);
            publish(replay);
        }
    }

    /// Waits until something was asked for or the next step is due; false: stopped.
    bool takeCommands(const std::stop_token& stop) {
        std::unique_lock lock(mutex);
        const auto woken = [&] { return asked || stop.stop_requested(); };
        if (playback.state == PlaybackState::kPlaying) {
            changed.wait_until(lock, std::max(due, last_frame + kFrame), woken);
        } else {
            changed.wait(lock, woken);
        }
        if (stop.stop_requested()) return false;
        if (!std::exchange(asked, false)) return true;
        const bool begins = wants_playing && playback.state != PlaybackState::kPlaying;
        other_speed = other_speed || speed != playback.speed;
        playback.speed = speed;
        playback.state = wants_playing ? PlaybackState::kPlaying : PlaybackState::kPaused;
        playback.loop = loop;
        target = std::exchange(wanted_step, std::nullopt);
        if (begins && !target)
            target = loop.set() && shown_step >= loop.last ? loop.first : begin_at_start ? 1 : shown_step;
        begin_at_start = false;
        return true;
    }

    /// As many steps as are due by now, or as can be read in a frame.
    void advance(SessionReplay& replay) {
        const PlaybackIndex& index = *replay.index();
        const Clock::time_point now = Clock::now();
        std::int64_t step = replay.step();
        const bool loops = playback.loop.set() && playback.loop.last <= index.count();
        const std::int64_t end = loops ? playback.loop.last : index.count();
        if (loops && step >= end) {
            if (due > now) return;  // its last step is shown as long as it was recorded
            replay.seek(playback.loop.first);
            due = now + lengthOf(index, playback.loop.first + 1);
            return;
        }
        if (playback.speed == 0.0) {
            while (step < end && Clock::now() < now + kFrame) replay.seek(++step);
            due = now;
        } else {
            for (; step < end && due <= now; ++step) due += lengthOf(index, step + 2);
            replay.seek(step);
        }
        if (loops || replay.step() < index.count()) return;
        playback.state = PlaybackState::kPaused;
        const std::lock_guard lock(mutex);
        wants_playing = false;
    }

    /// How long after the step before it a step is played.
    Clock::duration lengthOf(const PlaybackIndex& index, std::int64_t step) const {
        if (step < 2 || step > index.count() || playback.speed == 0.0) return {};
        if (index.step(step).time_us == kNotTimed)
            return std::chrono::duration_cast<Clock::duration>(kUntimedStep / playback.speed);
        const auto gap_us = static_cast<double>(index.step(step).time_us - index.step(step - 1).time_us);
        const double recorded_s = std::clamp(gap_us * 1e-6, 0.0, kLongestPlayedStep_s);
        const double seconds = std::min(recorded_s / playback.speed, kLongestWait_s);
        return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    }

    void publish(SessionReplay& replay) {
        playback.step = replay.step();
        playback.index = replay.index();
        WorkbenchSnapshot snapshot = replay.snapshot();
        snapshot.playback = std::make_shared<const Playback>(playback);
        publish(std::move(snapshot));
        last_frame = Clock::now();
    }

    void publish(WorkbenchSnapshot snapshot) {
        std::function<void()> wake_reader;
        {
            const std::lock_guard lock(mutex);
            snapshot.serial = ++serial;
            if (snapshot.playback) shown_step = snapshot.playback->step;
            published = std::make_shared<const WorkbenchSnapshot>(std::move(snapshot));
            if (!awake && wake) {
                awake = true;
                wake_reader = wake;
            }
        }
        if (wake_reader) wake_reader();
    }

    const std::filesystem::path path;

    mutable std::mutex mutex;  // guards the following, down to `awake`
    std::condition_variable changed;
    bool asked = false;
    std::optional<std::int64_t> wanted_step;
    bool wants_playing = false;
    bool begin_at_start = false;
    double speed = 1.0;
    PlaybackLoop loop;
    std::int64_t shown_step = 0;
    std::uint64_t serial = 0;
    std::shared_ptr<const WorkbenchSnapshot> published;
    std::function<void()> wake;
    mutable bool awake = false;  // woken, and has not asked for the snapshot since

    // Of the player's thread alone.
    Playback playback;
    std::optional<std::int64_t> target;
    bool other_speed = false;  // than that by which `due` was reckoned
    Clock::time_point due{};   // when the step after the cursor is to be shown
    Clock::time_point last_frame{};
    std::jthread thread;  // last: it uses all of the above
};

SessionPlayer::SessionPlayer(std::filesystem::path path) : m_impl(std::make_unique<Impl>(std::move(path))) {}
SessionPlayer::~SessionPlayer() = default;

void SessionPlayer::setWake(std::function<void()> wake) {
    std::function<void()> now;
    {
        const std::lock_guard lock(m_impl->mutex);
        m_impl->wake = std::move(wake);
        m_impl->awake = m_impl->wake && m_impl->published;
        if (m_impl->awake) now = m_impl->wake;
    }
    if (now) now();  // something was there before
}

std::shared_ptr<const WorkbenchSnapshot> SessionPlayer::snapshot() const {
    const std::lock_guard lock(m_impl->mutex);
    m_impl->awake = false;
    return m_impl->published;
}

void SessionPlayer::seek(std::int64_t step) {
    m_impl->command([&] { m_impl->wanted_step = step; });
}

void SessionPlayer::play() {
    m_impl->command([&] {
        m_impl->wants_playing = true;
        const auto& shown = m_impl->published;
        m_impl->begin_at_start = shown && shown->playback && shown->playback->index->count() > 0 &&
                                 shown->playback->step >= shown->playback->index->count();
    });
}

void SessionPlayer::pause() {
    m_impl->command([&] { m_impl->wants_playing = false; });
}

void SessionPlayer::setSpeed(double speed) {
    m_impl->command([&] { m_impl->speed = std::max(speed, 0.0); });
}

void SessionPlayer::setLoop(const PlaybackLoop& loop) {
    m_impl->command([&] { m_impl->loop = loop; });
}

}  // namespace mixoscope
