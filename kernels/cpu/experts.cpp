// Mixture of experts over the pool: entries (a row's choice of one expert) are grouped by expert, so that each chosen
// expert's weights are read once a call and nobody else's at all. Every entry's result is kept apart and a row adds its
// own in ascending slot order, so that the grouping leaves no trace in the bits.
#include <algorithm>

#include "kernels/cpu/dot.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/operations.h"

namespace mixoscope::kernels::cpu {
namespace {

// Bounds the workspace of a long prefill: weights are then read once for so many entries.
constexpr std::int64_t kMaxEntries = 4096;

struct Grouping {
    const std::int64_t* ends;
    const std::int64_t* entries;
    const std::int64_t* places;
    const std::int32_t* active;
    std::int64_t active_count;
    std::int64_t entry_count;

    std::int64_t begin(std::int32_t expert) const { return expert == 0 ? 0 : ends[expert - 1]; }
};

/// Counting sort of the entries by expert.
Grouping groupByExpert(ExpertsWorkspace& workspace, std::int64_t experts, std::int64_t rows,
                       const ExpertChoice& choice) {
    const std::int64_t all = rows * choice.slots;
    std::int64_t* ends = workspace.ends.get(experts);
    std::int64_t* entries = workspace.entries.get(all);
    std::int64_t* places = workspace.places.get(all);
    std::int32_t* active = workspace.active.get(experts);
    std::fill_n(ends, experts, 0);
    for (std::int64_t entry = 0; entry < all; ++entry) {
        assert(choice.ids[entry] < experts);
        if (choice.ids[entry] >= 0) ++ends[choice.ids[entry]];
    }
    std::int64_t next = 0;
    std::int64_t active_count = 0;
    for (std::int64_t expert = 0; expert < experts; ++expert) {
        if (ends[expert] > 0) active[active_count++] = static_cast<std::int32_t>(expert);
        const std::int64_t count = ends[expert];
        ends[expert] = next;  // its begin, until its entries have been placed
        next += count;
    }
    for (std::int64_t entry = 0; entry < all; ++entry) {
        places[entry] = -1;
        if (choice.ids[entry] < 0) continue;
        places[entry] = ends[choice.ids[entry]]++;
        entries[places[entry]] = entry;
    }
    return {ends, entries, places, active, active_count, next};
}

/// One call's data; `places` are positions in the order of grouping.
struct Mixture {
    RowsIn in;
    std::span<const ExpertMatrices> experts;
    ExpertChoice choice;
    RowsOut out;
    Grouping grouping;
    float* hidden;
    float* up;
    float* results;

    std::int64_t intermediate() const { return first().gate.rows; }
    const ExpertMatrices& first() const { return experts[static_cast<std::size_t>(grouping.active[0])]; }

    /// Calls visit(place, count) for the places of one expert, a tile of rows at a time.
    template <typename Visit>
    void forTiles(std::int32_t expert, const Visit& visit) const {
        const std::int64_t end = grouping.ends[expert];
        for (std::int64_t place = grouping.begin(expert); place < end; place += kTileRows) {
            visit(place, std::min(kTileRows, end - place));
        }
    }

    void gateAndUp(std::int32_t expert, std::int64_t begin, std::int64_t end) const {
        const ExpertMatrices& weights = experts[static_cast<std::size_t>(expert)];
        forTiles(expert, [&](std::int64_t place, std::int64_t count) {
            DotRows gate;
            DotRows upward;
            gate.count = upward.count = count;
            gate.first = upward.first = place == grouping.begin(expert);
            gate.next = rowOrNone(weights.up, begin);
            upward.next = rowOrNone(weights.gate, end);
            for (std::int64_t r = 0; r < count; ++r) {
                gate.in[r] = upward.in[r] = in.row(grouping.entries[place + r] / choice.slots);
                gate.out[r] = hidden + (place + r) * intermediate() + begin;
                upward.out[r] = up + (place + r) * intermediate() + begin;
            }
            dotBlock(gate, weights.gate, begin, end);
            dotBlock(upward, weights.up, begin, end);
            for (std::int64_t r = 0; r < count; ++r) siluMultiply(gate.out[r], upward.out[r], end - begin);
        });
    }

    void down(std::int32_t expert, std::int64_t begin, std::int64_t end) const {
        const ExpertMatrices& weights = experts[static_cast<std::size_t>(expert)];
        forTiles(expert, [&](std::int64_t place, std::int64_t count) {
            DotRows rows;
            rows.count = count;
            rows.first = place == grouping.begin(expert);
            rows.next = rowOrNone(weights.down, end);
            for (std::int64_t r = 0; r < count; ++r) {
                rows.in[r] = hidden + (place + r) * intermediate();
                rows.out[r] = results + (place + r) * out.columns + begin;
            }
            dotBlock(rows, weights.down, begin, end);
        });
    }

    void combine(std::int64_t row) const {
        for (std::int64_t slot = 0; slot < choice.slots; ++slot) {
            const std::int64_t entry = row * choice.slots + slot;
            if (grouping.places[entry] < 0) continue;
            addWeighted(results + grouping.places[entry] * out.columns, choice.weights[entry], out.row(row),
                        out.columns);
        }
    }
};

void mix(ThreadPool& pool, const Mixture& mixture) {
    const Grouping& grouping = mixture.grouping;
    const auto share = [&](const Matrix& shape, std::int64_t matrices, const auto& work) {
        const std::int64_t outputs = chunkOutputs(shape);
        const std::int64_t chunks = chunkCount(shape.rows, outputs);
        const bool worth_sharing = worthSharing(matrices * grouping.active_count * shape.bytes(),
                                                matrices * grouping.entry_count * shape.rows * shape.columns);
        pool.runIf(worth_sharing, grouping.active_count * chunks, [&](std::int64_t chunk, int) {
            const std::int64_t begin = chunk % chunks * outputs;
            work(grouping.active[chunk / chunks], begin, std::min(shape.rows, begin + outputs));
        });
    };
    share(mixture.first().gate, 2,
          [&](std::int32_t expert, std::int64_t begin, std::int64_t end) { mixture.gateAndUp(expert, begin, end); });
    share(mixture.first().down, 1,
          [&](std::int32_t expert, std::int64_t begin, std::int64_t end) { mixture.down(expert, begin, end); });
    pool.runIf(worthSharing(grouping.entry_count * mixture.out.columns * 4, 0), mixture.in.count,
               [&](std::int64_t row, int) { mixture.combine(row); });
}

}  // namespace

void experts(ThreadPool& pool, ExpertsWorkspace& workspace, RowsIn in, std::span<const ExpertMatrices> experts,
             ExpertChoice choice, RowsOut out) {
    assert(in.count == out.count && in.columns == out.columns);
    if (choice.slots == 0) return;
    const std::int64_t rows_at_once = std::max<std::int64_t>(1, kMaxEntries / choice.slots);
    for (std::int64_t first = 0; first < in.count; first += rows_at_once) {
        const std::int64_t rows = std::min(rows_at_once, in.count - first);
        const ExpertChoice part{choice.ids + first * choice.slots, choice.weights + first * choice.slots, choice.slots};
        const Grouping grouping = groupByExpert(workspace, static_cast<std::int64_t>(experts.size()), rows, part);
        if (grouping.entry_count == 0) continue;
        Mixture mixture{.in = RowsIn(in.row(first), rows, in.columns, in.stride),
                        .experts = experts,
                        .choice = part,
                        .out = RowsOut(out.row(first), rows, out.columns, out.stride),
                        .grouping = grouping,
                        .hidden = nullptr,
                        .up = nullptr,
                        .results = nullptr};
        mixture.hidden = workspace.hidden.get(grouping.entry_count * mixture.intermediate());
        mixture.up = workspace.up.get(grouping.entry_count * mixture.intermediate());
        mixture.results = workspace.results.get(grouping.entry_count * out.columns);
        mix(pool, mixture);
    }
}

void swiglu(ThreadPool& pool, ExpertsWorkspace& workspace, RowsIn in, const ExpertMatrices& weights, RowsOut out) {
    const std::int32_t* ids = workspace.zeros.get(in.count);
    float* ones = workspace.ones.get(in.count);
    std::fill_n(ones, in.count, 1.0F);
    experts(pool, workspace, in, {&weights, 1}, {.ids = ids, .weights = ones, .slots = 1}, out);
}

}  // namespace mixoscope::kernels::cpu
