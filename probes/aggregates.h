// Everything measured about a generation, incremental: the same object behind live and replay.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "probes/snapshot.h"

namespace mixoscope {

class Aggregates {
public:
    /// Everything counted up to some record, to come back to. It shares the lanes' rows with whoever counts on, and the
    /// loads of lanes that have no further ones.
    struct State;

    /// `token_bytes` gives a token's bytes (from the tokenizer or from a session). `experts_per_token`: the model's own
    /// k, which the policy `model` selects; < 0: unknown, then selections are checked against RouterFacts::active.
    Aggregates(const TraceShape& shape, bool weights_sum_to_one, std::function<std::string(TokenId)> token_bytes,
               std::int32_t experts_per_token = -1);
    ~Aggregates();
    Aggregates(const Aggregates&) = delete;
    Aggregates& operator=(const Aggregates&) = delete;

    /// Settings that a lane starts with; later changes come as events.
    void setSettings(LaneId lane, const LaneSettings& settings);

    void add(const StepTrace& trace);
    void add(const LaneEvent& event);
    /// Ring figures for the checks.
    void setRing(std::int64_t lost, std::size_t peak, std::size_t capacity);
    std::vector<LaneSnapshot> snapshot();
    void clear();

    /// Work grows with the lanes' texts, not with their rows.
    std::shared_ptr<const State> state();
    /// Goes on from a state of aggregates of the same shape; the figures of the ring stay.
    void restore(const State& state);

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
