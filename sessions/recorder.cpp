#include "sessions/recorder.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "engine/settings_json.h"
#include "sessions/session_writer.h"

namespace mixoscope {

namespace {

using Clock = std::chrono::steady_clock;

/// From the first uncommitted record to its commit; below the 250 ms promised by what a commit itself may take.
constexpr std::chrono::milliseconds kCommitAfter{150};
constexpr int kIdleWaitMs = 1000;
/// How long records wait before they are taken in: the engine then need not wake this thread at every token.
constexpr std::chrono::milliseconds kGather{20};
constexpr std::size_t kDrainAtOnce = 256;

std::string numbersText(const std::vector<std::int64_t>& numbers) {
    return nlohmann::json(numbers).dump();
}

}  // namespace

struct Recorder::Impl {
    RecordingOptions options;
    std::shared_ptr<TraceRing> ring;
    TraceRing::Reader reader;

    mutable std::mutex mutex;
    std::condition_variable committed;
    std::condition_variable wanted;                            // somebody flushes, adds a message or stops
    std::vector<std::function<void(SessionWriter&)>> pending;  // messages and settings to write
    std::uint64_t flush_wanted = 0;                            // flush() calls so far
    std::uint64_t flush_done = 0;
    bool failure_told = false;  // status_changed has been called for it
    RecorderStatus status;
    Clock::time_point last_commit{};
    std::jthread thread;

    Impl(RecordingOptions recording, std::shared_ptr<TraceRing> trace_ring, TraceRing::Reader trace_reader)
        : options(std::move(recording)), ring(std::move(trace_ring)), reader(std::move(trace_reader)) {
        status.state = RecorderStatus::State::kWaiting;
        status.file = options.file;
        thread = std::jthread([this](std::stop_token stop) { run(stop); });
    }

    ~Impl() {
        thread.request_stop();
        {
            const std::lock_guard lock(mutex);
            wanted.notify_all();
        }
        ring->wakeAll();
        thread.join();
    }

    void run(const std::stop_token& stop) {
        try {
            SessionWriter writer(options.file, options.model, options.token_bytes);
            for (const auto& [key, value] : options.metadata) writer.setMetadata(key, value);
            if (!options.expert_bytes.empty()) writer.setMetadata("expert_bytes", numbersText(options.expert_bytes));
            writer.commit();
            publish(writer);
            record(stop, writer);
            writer.finish();
            publish(writer);
        } catch (const Error& error) {
            fail(error.parts());
        } catch (const std::exception& error) {
            fail({.what = std::string("Recording stopped: ") + error.what(),
                  .where = options.file.string(),
                  .expected = {},
                  .found = {},
                  .advice = {}});
        }
    }

    void record(const std::stop_token& stop, SessionWriter& writer) {
        Clock::time_point due{};
        for (;;) {
            // Asked before draining: what was given before a stop or a flush is then in the file after the commit.
            const bool stopping = stop.stop_requested();
            std::uint64_t flushing = 0;
            bool flush_open = false;
            {
                const std::lock_guard lock(mutex);
                flushing = flush_wanted;
                flush_open = flush_wanted != flush_done;
            }
            const std::uint64_t target = ring->written();
            const bool was_dirty = writer.dirty();
            writePending(writer);
            const std::size_t drained = drain(writer);
            if (!was_dirty && writer.dirty()) due = Clock::now() + kCommitAfter;
            const bool caught_up = reader.position() >= target;
            const bool last = stopping && caught_up;
            if (writer.dirty() && (last || Clock::now() >= due || (flush_open && caught_up))) {
                writer.setLost(reader.lost());
                writer.commit();
                publish(writer);
            }
            if (flush_open && caught_up) acknowledge(flushing);
            if (last) return;
            if (drained == kDrainAtOnce || stopping) continue;
            waitForMore(stop, writer, due);
        }
    }

    /// Nothing is drained for a while also after a commit: only then may others change the file.
    void waitForMore(const std::stop_token& stop, const SessionWriter& writer, Clock::time_point due) {
        {
            std::unique_lock lock(mutex);
            const auto attention = [&] {
                return flush_wanted != flush_done || !pending.empty() || stop.stop_requested();
            };
            const Clock::time_point gathered = Clock::now() + kGather;
            if (wanted.wait_until(lock, writer.dirty() ? std::min(due, gathered) : gathered, attention)) return;
        }
        if (!writer.dirty()) reader.wait(kIdleWaitMs);
    }

    std::size_t drain(SessionWriter& writer) {
        return reader.drain({[&](const StepTrace& trace) { writer.addRow(trace); },
                             [&](const LaneEvent& event) { writer.addEvent(event); }},
                            kDrainAtOnce);
    }

    void writePending(SessionWriter& writer) {
        std::vector<std::function<void(SessionWriter&)>> writes;
        {
            const std::lock_guard lock(mutex);
            writes.swap(pending);
        }
        for (const auto& write : writes) write(writer);
    }

    void addPending(std::function<void(SessionWriter&)> write) {
        {
            const std::lock_guard lock(mutex);
            pending.push_back(std::move(write));
            wanted.notify_all();
        }
        ring->wakeAll();
    }

    void acknowledge(std::uint64_t flushes) {
        const std::lock_guard lock(mutex);
        flush_done = flushes;
        committed.notify_all();
    }

    void publish(const SessionWriter& writer) {
        {
            const std::lock_guard lock(mutex);
            status.state = RecorderStatus::State::kRecording;
            status.bytes = writer.fileBytes();
            status.committed_rows = writer.committedRows();
            status.lost = reader.lost();
            last_commit = Clock::now();
        }
        if (options.status_changed) options.status_changed();
    }

    void fail(const ErrorParts& parts) {
        {
            const std::lock_guard lock(mutex);
            status.state = RecorderStatus::State::kFailed;
            status.error = parts;
            pending.clear();
        }
        if (options.status_changed) options.status_changed();
        // Last: whoever was told of the failure by a flush finds it in whatever status_changed made known.
        const std::lock_guard lock(mutex);
        failure_told = true;
        committed.notify_all();
    }
};

Recorder::Recorder(RecordingOptions options, std::shared_ptr<TraceRing> ring, TraceRing::Reader reader)
    : m_impl(std::make_unique<Impl>(std::move(options), std::move(ring), std::move(reader))) {}

Recorder::~Recorder() = default;

void Recorder::addMessage(int turn, Role role, std::string text, ThinkingMode mode) {
    m_impl->addPending([turn, role, text = std::move(text), mode](SessionWriter& writer) {
        writer.addMessage(turn, static_cast<int>(role), text, static_cast<int>(mode));
    });
}

void Recorder::addTurnSettings(int turn, LaneId lane, const LaneSettings& settings) {
    m_impl->addPending([turn, lane, json = settingsToJson(settings)](SessionWriter& writer) {
        writer.addTurnSettings(turn, lane, json);
    });
}

void Recorder::setMetadata(const std::string& key, const std::string& value) {
    m_impl->addPending([key, value](SessionWriter& writer) { writer.setMetadata(key, value); });
}

void Recorder::addLane(const LaneOrigin& origin) {
    m_impl->addPending([origin](SessionWriter& writer) { writer.addLane(origin); });
}

void Recorder::addForcedTokens(LaneId lane, std::vector<ForcedTokenMeasures> tokens) {
    m_impl->addPending(
        [lane, tokens = std::move(tokens)](SessionWriter& writer) { writer.addForcedTokens(lane, tokens); });
}

void Recorder::addAttribution(std::shared_ptr<const AttributionSnapshot> attribution) {
    m_impl->addPending(
        [attribution = std::move(attribution)](SessionWriter& writer) { writer.addAttribution(*attribution); });
}

bool Recorder::flush() {
    std::unique_lock lock(m_impl->mutex);
    const std::uint64_t mine = ++m_impl->flush_wanted;
    m_impl->wanted.notify_all();
    m_impl->ring->wakeAll();
    m_impl->committed.wait(lock, [&] { return m_impl->flush_done >= mine || m_impl->failure_told; });
    return m_impl->flush_done >= mine;
}

RecorderStatus Recorder::status() const {
    const std::lock_guard lock(m_impl->mutex);
    RecorderStatus status = m_impl->status;
    if (status.state == RecorderStatus::State::kRecording)
        status.commit_age_s = std::chrono::duration<double>(Clock::now() - m_impl->last_commit).count();
    return status;
}

}  // namespace mixoscope
