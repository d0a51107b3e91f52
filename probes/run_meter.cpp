#include "probes/run_meter.h"

#include <cassert>

namespace mixoscope {

RunMeter::RunMeter(const TraceShape& shape) : m_shape(shape) {
    m_measures.load.resize(static_cast<std::size_t>(shape.moe_layers) * static_cast<std::size_t>(shape.experts));
}

void RunMeter::add(const StepTrace& trace) {
    const double share_ms = trace.step_us / 1000.0 / trace.rows_in_step;
    const TokenTrace& next = trace.next;
    if (next.id >= 0) {
        if ((next.flags & token_flag::kStray) != 0) ++m_measures.stray_tags;
        const bool shown = (next.flags & (token_flag::kTag | token_flag::kEndOfTurn)) == 0;
        if (next.phase == Phase::kAnswer && shown) m_answer.push_back(next.id);
        const std::uint8_t given = next.flags & (token_flag::kForced | token_flag::kInjected);
        if (given == token_flag::kForced) {
            ++m_measures.scored_tokens;
            m_measures.nll -= static_cast<double>(next.logprob);
        }
    }
    const bool prompt = trace.token.phase == Phase::kPrompt || (trace.token.flags & token_flag::kTemplate) != 0;
    (prompt ? m_measures.prompt_ms : m_measures.generated_ms) += share_ms;
    m_measures.rows += prompt ? 0 : 1;
    const auto slots = static_cast<std::size_t>(m_shape.slots);
    for (std::size_t layer = 0; layer < static_cast<std::size_t>(m_shape.moe_layers); ++layer) {
        const bool virtual_ones = (trace.router[layer].flags & layer_flag::kVirtual) != 0;
        for (const std::int16_t id : trace.expert_ids.subspan(layer * slots, slots)) {
            if (prompt) {
                m_measures.prompt_selections += id != -1 ? 1 : 0;
                m_measures.prompt_dropped += isNotRun(id) && !virtual_ones ? 1 : 0;
            } else if (id >= 0) {
                addRun(layer, id);
            } else if (isNotRun(id)) {
                ++(virtual_ones ? m_measures.virtual_selections : m_measures.dropped);
            }
        }
    }
}

void RunMeter::addRun(std::size_t layer, std::int16_t expert) {
    assert(expert < m_shape.experts);
    ++m_measures.ran;
    ++m_measures.load[layer * static_cast<std::size_t>(m_shape.experts) + static_cast<std::size_t>(expert)];
}

void RunMeter::add(const LaneEvent& event) {
    if (event.kind == LaneEventKind::kBudgetReached) m_measures.closed_by_budget = true;
    if (event.kind == LaneEventKind::kFinished) m_measures.block_left_open = event.old_value == 1;
}

}  // namespace mixoscope
