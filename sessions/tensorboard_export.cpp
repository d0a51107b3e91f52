#include "sessions/tensorboard_export.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sessions/event_file.h"
#include "sessions/session_file.h"
#include "sessions/session_name.h"

namespace mixoscope {

namespace {

/// A mean that grows; NaN without values.
struct Mean {
    double sum = 0.0;
    std::int64_t count = 0;

    void add(double value) {
        if (std::isnan(value)) return;
        sum += value;
        ++count;
    }
    double value() const { return sum / static_cast<double>(count); }
};

/// Imbalance of all rows so far, mean over the layers (formulas: README, "Measures"). Only what a row changes is
/// computed anew.
class RunningBalance {
public:
    explicit RunningBalance(const TraceShape& shape)
        : m_experts(static_cast<std::size_t>(shape.experts)),
          m_layers(static_cast<std::size_t>(shape.moe_layers)),
          m_counts(m_experts * m_layers.size()) {}

    void nextRow() { ++m_rows; }
    void add(std::size_t layer, std::int16_t expert) {
        std::int64_t& count = m_counts[layer * m_experts + static_cast<std::size_t>(expert)];
        m_layers[layer].squares += static_cast<double>(2 * count + 1);
        m_layers[layer].total += 1.0;
        ++count;
    }
    double cv() const {
        Mean mean;
        for (const Layer& layer : m_layers)
            mean.add(std::sqrt(std::max(0.0, experts() * layer.squares / (layer.total * layer.total) - 1.0)));
        return mean.value();
    }
    double floor() const {
        Mean mean;
        for (const Layer& layer : m_layers)
            mean.add(std::sqrt(std::max(
                0.0, (experts() * static_cast<double>(m_rows) / layer.total - 1.0) / static_cast<double>(m_rows))));
        return mean.value();
    }

private:
    struct Layer {
        double total = 0.0;
        double squares = 0.0;  // Σ count²
    };
    double experts() const { return static_cast<double>(m_experts); }

    std::size_t m_experts;
    std::vector<Layer> m_layers;
    std::vector<std::int64_t> m_counts;  // (layers, experts) selections that ran
    std::int64_t m_rows = 0;
};

/// Rows of one lane in one step.
struct StepOfLane {
    Step step = -1;
    std::int64_t end_us = 0;
    std::int32_t thinking_tokens = 0;
    std::int64_t dropped = 0;
    Mean entropy = {};
    Mean margin = {};
    Mean active = {};
    Mean rate = {};
};

class LaneScalars {
public:
    LaneScalars(const TraceShape& shape, std::unique_ptr<EventFile> file, double began_s)
        : m_slots(static_cast<std::size_t>(shape.slots)),
          m_balance(shape),
          m_file(std::move(file)),
          m_began_s(began_s) {}

    void beginTurn() { m_last_token_us.reset(); }

    void add(const StepTrace& trace) {
        if (trace.step != m_now.step) {
            write();
            m_now = {.step = trace.step, .end_us = trace.step_end_us};
        }
        m_now.thinking_tokens = (trace.next.id >= 0 ? trace.next : trace.token).thinking_tokens;
        if (trace.next.id >= 0) {
            if (m_last_token_us && trace.step_end_us > *m_last_token_us)
                m_now.rate.add(1e6 / static_cast<double>(trace.step_end_us - *m_last_token_us));
            m_last_token_us = trace.step_end_us;
        }
        if (!trace.router.empty()) addRouting(trace);  // of a row that was lost nothing is known
    }

    void close() {
        write();
        m_file->commit();
    }

private:
    void addRouting(const StepTrace& trace) {
        m_balance.nextRow();
        for (std::size_t layer = 0; layer < trace.router.size(); ++layer) {
            const RouterFacts& facts = trace.router[layer];
            m_now.entropy.add(facts.entropy);
            m_now.margin.add(facts.margin());
            m_now.active.add(facts.active);
            const bool virtual_ones = (facts.flags & layer_flag::kVirtual) != 0;
            for (const std::int16_t id : trace.expert_ids.subspan(layer * m_slots, m_slots)) {
                if (id >= 0) m_balance.add(layer, id);
                m_now.dropped += isNotRun(id) && !virtual_ones ? 1 : 0;
            }
        }
    }

    void write() {
        if (m_now.step < 0) return;
        const auto put = [&](std::string_view tag, double value) {
            if (!std::isnan(value))
                m_file->scalar(m_began_s + static_cast<double>(m_now.end_us) / 1e6, m_now.step, tag,
                               static_cast<float>(value));
        };
        put("tokens_per_s", m_now.rate.value());
        put("thinking_tokens", m_now.thinking_tokens);
        put("router/entropy", m_now.entropy.value());
        put("router/margin", m_now.margin.value());
        put("experts/active", m_now.active.value());
        put("experts/dropped", static_cast<double>(m_now.dropped));
        put("load/cv", m_balance.cv());
        put("load/cv_floor", m_balance.floor());
    }

    std::size_t m_slots;
    RunningBalance m_balance;
    std::unique_ptr<EventFile> m_file;
    double m_began_s;  // when the generation began, since 1970
    StepOfLane m_now;
    std::optional<std::int64_t> m_last_token_us;  // of this turn
};

}  // namespace

void exportTensorBoard(const std::filesystem::path& session, const std::filesystem::path& directory) {
    const SessionReader reader(session);
    const TraceShape shape = reader.model().shape;
    const std::time_t created = utcSeconds(reader.metadata("created_utc"));
    // TensorBoard finds a file by "tfevents" in its name and reads those of a directory in the order of their names.
    const std::string name = "events.out.tfevents." + std::to_string(created) + ".mixoscope";
    std::optional<std::int64_t> first_us;
    std::map<LaneId, LaneScalars> lanes;
    const auto laneOf = [&](LaneId id, std::int64_t time_us) -> LaneScalars& {
        if (!first_us) first_us = time_us;
        if (const auto lane = lanes.find(id); lane != lanes.end()) return lane->second;
        const double began_s = static_cast<double>(created) - static_cast<double>(*first_us) / 1e6;
        const std::filesystem::path folder = directory / ("lane-" + std::to_string(id));
        std::error_code failure;
        std::filesystem::create_directories(folder, failure);  // what fails here, fails again with the file
        auto file = std::make_unique<EventFile>(folder / name, session, static_cast<double>(created));
        return lanes.try_emplace(id, shape, std::move(file), began_s).first->second;
    };
    reader.replay([&](const StepTrace& row) { laneOf(row.lane, row.step_end_us).add(row); },
                  [&](const LaneEvent& event) {
                      LaneScalars& lane = laneOf(event.lane, event.time_us);
                      if (event.kind == LaneEventKind::kTurnStarted) lane.beginTurn();
                  });
    for (auto& [id, lane] : lanes) lane.close();
}

}  // namespace mixoscope
