// Everything measured about a generation, incremental: the same object behind live and replay.
#pragma once

#include "probes/snapshot.h"

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace mixoscope {

class Aggregates {
public:
    /// `token_bytes` gives a token's bytes (from the tokenizer or from a session).
    Aggregates(const TraceShape& shape, bool weights_sum_to_one, std::function<std::string_view(TokenId)> token_bytes);
    ~Aggregates();

    void add(const StepTrace& trace);
    void add(const LaneEvent& event);
    /// Ring figures for the checks.
    void setRing(std::int64_t lost, std::size_t peak, std::size_t capacity);
    std::vector<LaneSnapshot> snapshot() const;
    void clear();

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

}  // namespace mixoscope
