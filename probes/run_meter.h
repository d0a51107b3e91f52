// What one run of an experiment — one turn of one lane — cost and did: lengths, selections, load, leaks, its share of
// the steps' time. Light enough to run beside thousands of tokens a second in a batch.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/step_trace.h"

namespace mixoscope {

/// Counts of one run. Prompt rows are counted apart: what differs between policies while a model answers is asked for,
/// and a prompt's rows would outweigh it.
struct RunMeasures {
    std::int64_t rows = 0;     // of tokens after the prompt, fed
    std::int64_t ran = 0;      // selections of those rows, over all MoE layers
    std::int64_t dropped = 0;  // selections that did not run, virtual ones apart
    std::int64_t virtual_selections = 0;
    std::int64_t prompt_selections = 0;  // of the prompt's rows, whether they ran or not
    std::int64_t prompt_dropped = 0;     // of those: a capacity acts on the prompt
    std::int32_t stray_tags = 0;         // thinking tags where none belongs
    bool closed_by_budget = false;
    bool block_left_open = false;
    std::int64_t scored_tokens = 0;  // that were given and judged by the logits (ForcedContinuation)
    double nll = 0.0;                // nats: sum of −logprob over them
    /// Sum over the steps of their time divided by the rows in them: what the run took of the batch's time.
    double prompt_ms = 0.0;
    double generated_ms = 0.0;
    std::vector<std::uint32_t> load;  // (MoE layers, experts) selections that ran, of the rows counted
};

class RunMeter {
public:
    explicit RunMeter(const TraceShape& shape);

    void add(const StepTrace& trace);
    void add(const LaneEvent& event);
    const RunMeasures& measures() const { return m_measures; }
    /// The tokens of the answer, without tags and the token that ends the turn.
    const std::vector<TokenId>& answer() const { return m_answer; }

private:
    void addRun(std::size_t layer, std::int16_t expert);

    TraceShape m_shape;
    RunMeasures m_measures;
    std::vector<TokenId> m_answer;
};

}  // namespace mixoscope
