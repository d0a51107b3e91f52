// What an expert's counts cost: one row in one layer, one row in all layers of the largest published shape (what a live
// probe would add to every step), and a layer opened in a long sequence (what counting on demand costs once).
#include <benchmark/benchmark.h>

#include <vector>

#include "probes/specialisation.h"
#include "support/reasoning_lane.h"

namespace {

using namespace mixoscope;

constexpr TraceShape kShape{.moe_layers = 48, .slots = 8, .experts = 128, .distributions = false};

struct Rows {
    std::vector<std::int16_t> experts;  // (rows, layers, slots)
    int rows = 0;
};

const Rows& rows() {
    static const Rows made = [] {
        Rows rows;
        test::ReasoningLane lane(kShape, {.prompt = 64, .thinking = 400, .answer = 40}, 1);
        while (!lane.atEnd()) {
            const StepTrace trace = lane.next();
            rows.experts.insert(rows.experts.end(), trace.expert_ids.begin(), trace.expert_ids.end());
            ++rows.rows;
        }
        return rows;
    }();
    return made;
}

LayerRow rowAt(int row, int layer) {
    const std::size_t at =
        (static_cast<std::size_t>(row) * kShape.moe_layers + static_cast<std::size_t>(layer)) * kShape.slots;
    return {.id = row % 97,
            .phase = Phase::kThinking,
            .token_class = TokenClass::kWord,
            .experts = std::span(rows().experts).subspan(at, kShape.slots)};
}

void rowOfOneLayer(benchmark::State& state) {
    LayerSpecialisation counts(kShape.experts);
    int row = 0;
    for (auto step : state) {
        counts.add(rowAt(row, 20));
        row = (row + 1) % rows().rows;
    }
}
BENCHMARK(rowOfOneLayer);

void rowOfAllLayers(benchmark::State& state) {
    std::vector<LayerSpecialisation> counts(kShape.moe_layers, LayerSpecialisation(kShape.experts));
    int row = 0;
    for (auto step : state) {
        for (int layer = 0; layer < kShape.moe_layers; ++layer)
            counts[static_cast<std::size_t>(layer)].add(rowAt(row, layer));
        row = (row + 1) % rows().rows;
    }
}
BENCHMARK(rowOfAllLayers);

/// A snapshot of a live probe would copy every layer's counts.
void copyOfAllLayers(benchmark::State& state) {
    std::vector<LayerSpecialisation> counts(kShape.moe_layers, LayerSpecialisation(kShape.experts));
    for (int row = 0; row < rows().rows; ++row) {
        for (int layer = 0; layer < kShape.moe_layers; ++layer)
            counts[static_cast<std::size_t>(layer)].add(rowAt(row, layer));
    }
    for (auto step : state) {
        std::vector<LayerSpecialisation> copy = counts;
        benchmark::DoNotOptimize(copy);
    }
}
BENCHMARK(copyOfAllLayers);

/// 32,768 rows, as a full context of a published model has.
void layerOnDemand(benchmark::State& state) {
    for (auto step : state) {
        LayerSpecialisation counts(kShape.experts);
        for (int row = 0; row < 32'768; ++row) counts.add(rowAt(row % rows().rows, 20));
        benchmark::DoNotOptimize(counts);
    }
}
BENCHMARK(layerOnDemand);

}  // namespace

BENCHMARK_MAIN();
