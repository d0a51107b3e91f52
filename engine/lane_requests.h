// What other threads ask of a lane, on its way to the thread that drives the generation.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/ids.h"
#include "engine/lane_routing.h"
#include "engine/lane_settings.h"
#include "engine/model.h"
#include "engine/thinking_controller.h"

namespace mixoscope {

/// Settings with everything that must be parsed or tokenised before they can take effect between two tokens.
struct PreparedSettings {
    LaneSettings settings;
    std::unique_ptr<LaneRouting> routing;
    std::vector<TokenId> early_stop;
};

/// Ids of <think> and </think>; a model without tokenizer has none.
ThinkingTokens thinkingTokens(const Model& model);

/// Throws Error for a policy text that is none or needs more than `slots` experts a row, sampling settings that make no
/// sense, a negative limit, or an early-stop text that doesn't close the block exactly once or is too long for an
/// event. `most_rows`: of the lane in one step.
PreparedSettings prepareSettings(const Model& model, const LaneSettings& settings, std::int32_t slots,
                                 std::int64_t most_rows);

/// Everything asked for since the last look. The newest settings win; the driving thread only ever takes a lock when
/// something is there.
class LaneRequests {
public:
    struct Taken {
        std::unique_ptr<PreparedSettings> settings;
        bool answer_now = false;
        bool stop = false;
    };

    void putSettings(PreparedSettings settings) {
        auto boxed = std::make_unique<PreparedSettings>(std::move(settings));
        put([&](Taken& waiting) { waiting.settings.swap(boxed); });  // what was replaced is freed outside the lock
    }
    void putAnswerNow() {
        put([](Taken& waiting) { waiting.answer_now = true; });
    }
    void putStop() {
        put([](Taken& waiting) { waiting.stop = true; });
    }

    Taken take() {
        if (!m_any.load(std::memory_order_acquire)) return {};
        const std::scoped_lock lock(m_mutex);
        m_any.store(false, std::memory_order_relaxed);
        return std::exchange(m_waiting, {});
    }

    /// Takes a stop out and leaves the rest; whether there was one.
    bool takeStop() {
        if (!m_any.load(std::memory_order_acquire)) return false;
        const std::scoped_lock lock(m_mutex);
        return std::exchange(m_waiting.stop, false);
    }

private:
    template <typename Change>
    void put(Change change) {
        const std::scoped_lock lock(m_mutex);
        change(m_waiting);
        m_any.store(true, std::memory_order_release);
    }
    std::mutex m_mutex;
    std::atomic<bool> m_any = false;
    Taken m_waiting;
};

}  // namespace mixoscope
