#include "sessions/npz_export.h"

#include <limits>
#include <vector>

#include "sessions/npz_writer.h"
#include "sessions/session_file.h"

namespace mixoscope {

namespace {

/// One value a row.
struct RowArrays {
    RowArrays(NpzWriter& npz, std::int64_t rows)
        : lane(npz.add<std::int32_t>("lane", {rows})),
          step(npz.add<std::int64_t>("step", {rows})),
          position(npz.add<std::int32_t>("position", {rows})),
          token(npz.add<std::int32_t>("token", {rows})),
          phase(npz.add<std::uint8_t>("phase", {rows})),
          flags(npz.add<std::uint8_t>("flags", {rows})),
          turn(npz.add<std::int32_t>("turn", {rows})),
          thinking_tokens(npz.add<std::int32_t>("thinking_tokens", {rows})),
          budget(npz.add<std::int32_t>("budget", {rows})),
          logprob(npz.add<float>("logprob", {rows})),
          next_token(npz.add<std::int32_t>("next_token", {rows})),
          time_us(npz.add<std::int64_t>("time_us", {rows})) {}

    void append(NpzWriter& npz, const StepTrace& trace) const {
        npz.append<std::int32_t>(lane, trace.lane);
        npz.append<std::int64_t>(step, trace.step);
        npz.append<std::int32_t>(position, trace.token.position);
        npz.append<std::int32_t>(token, trace.token.id);
        npz.append<std::uint8_t>(phase, static_cast<std::uint8_t>(trace.token.phase));
        npz.append<std::uint8_t>(flags, trace.token.flags);
        npz.append<std::int32_t>(turn, trace.token.turn);
        npz.append<std::int32_t>(thinking_tokens, trace.token.thinking_tokens);
        npz.append<std::int32_t>(budget, trace.token.budget);
        npz.append<float>(logprob, trace.token.logprob);
        npz.append<std::int32_t>(next_token, trace.next.id);
        npz.append<std::int64_t>(time_us, trace.step_end_us);
    }

    std::size_t lane, step, position, token, phase, flags, turn, thinking_tokens, budget, logprob, next_token, time_us;
};

class RoutingArrays {
public:
    RoutingArrays(NpzWriter& npz, const TraceShape& shape, std::int64_t rows)
        : m_layers(static_cast<std::size_t>(shape.moe_layers)),
          m_slots(static_cast<std::size_t>(shape.slots)),
          m_distributed(shape.distributions),
          m_experts(npz.add<std::int16_t>("experts", {rows, shape.moe_layers, shape.slots})),
          m_ran(npz.add<bool>("ran", {rows, shape.moe_layers, shape.slots})),
          m_weights(npz.add<float>("weights", {rows, shape.moe_layers, shape.slots})),
          m_entropy(npz.add<float>("entropy", {rows, shape.moe_layers})),
          m_top1(npz.add<float>("top1", {rows, shape.moe_layers})),
          m_margin(npz.add<float>("margin", {rows, shape.moe_layers})) {
        if (m_distributed) {
            m_probabilities = npz.add<float>("probabilities", {rows, shape.moe_layers, shape.experts});
            m_none.assign(m_layers * static_cast<std::size_t>(shape.experts), kNaN);
        }
    }

    /// A row that was lost has no routing: no experts and NaN.
    void append(NpzWriter& npz, const StepTrace& trace) const {
        for (std::size_t cell = 0; cell < m_layers * m_slots; ++cell) {
            const std::int16_t id = cell < trace.expert_ids.size() ? trace.expert_ids[cell] : std::int16_t{-1};
            npz.append<std::int16_t>(m_experts, isNotRun(id) ? notRunId(id) : id);
            npz.append<bool>(m_ran, id >= 0);
            npz.append<float>(m_weights, cell < trace.expert_weights.size() ? trace.expert_weights[cell] : kNaN);
        }
        for (std::size_t layer = 0; layer < m_layers; ++layer) {
            const bool known = layer < trace.router.size();
            npz.append<float>(m_entropy, known ? trace.router[layer].entropy : kNaN);
            npz.append<float>(m_top1, known ? trace.router[layer].top_probability : kNaN);
            npz.append<float>(m_margin, known ? trace.router[layer].margin() : kNaN);
        }
        if (m_distributed)
            npz.append<float>(m_probabilities, trace.distributions.size() == m_none.size()
                                                   ? trace.distributions
                                                   : std::span<const float>(m_none));
    }

private:
    static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
    std::size_t m_layers, m_slots;
    bool m_distributed;
    std::size_t m_experts, m_ran, m_weights, m_entropy, m_top1, m_margin;
    std::size_t m_probabilities = 0;
    std::vector<float> m_none;
};

}  // namespace

void exportNpz(const std::filesystem::path& session, const std::filesystem::path& out) {
    const SessionReader reader(session);
    const SessionModel model = reader.model();
    const std::int64_t end = reader.endSerial();
    const std::int64_t rows = reader.rowsBefore(end);
    NpzWriter npz(out, session);
    const RowArrays row_arrays(npz, rows);
    const RoutingArrays routing(npz, model.shape, rows);
    const std::size_t layers = npz.add<std::int32_t>("layers", {model.shape.moe_layers});
    npz.append<std::int32_t>(layers, std::span<const std::int32_t>(model.moe_layers));
    reader.replay(
        std::numeric_limits<std::int64_t>::min(), end,
        [&](const StepTrace& trace) {
            row_arrays.append(npz, trace);
            routing.append(npz, trace);
        },
        [](const LaneEvent&) {});
    npz.close();
}

}  // namespace mixoscope
