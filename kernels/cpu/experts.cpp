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
// Columns of an expert's rows that are packed at a time.
constexpr std::int64_t kPackedColumns = 8 * kAmxColumns;

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
    std::uint32_t* packed_in;      // `in` by places, for tiles; nullptr: no gate and no up uses them
    std::uint32_t* packed_hidden;  // `hidden` for tiles; nullptr: no down uses them
    CacheLine* copies;             // copied_lines for each thread
    std::int64_t copied_lines;

    std::int64_t intermediate() const { return first().gate.rows; }
    const ExpertMatrices& first() const { return experts[static_cast<std::size_t>(grouping.active[0])]; }
    const float* inputRow(std::int64_t place) const { return in.row(grouping.entries[place] / choice.slots); }
    float* hiddenRow(std::int64_t place) const { return hidden + place * intermediate(); }

    /// Calls visit(place, count) for the places of one expert, at most `most` at a time.
    template <typename Visit>
    void forPlaces(std::int32_t expert, std::int64_t most, const Visit& visit) const {
        const std::int64_t end = grouping.ends[expert];
        for (std::int64_t place = grouping.begin(expert); place < end; place += most) {
            visit(place, std::min(most, end - place));
        }
    }

    /// Packs columns [begin, end) of the expert's rows, which are row(place).
    template <typename Row>
    void pack(std::int32_t expert, std::int64_t columns, std::int64_t begin, std::int64_t end, const Row& row,
              std::uint32_t* packed) const {
        forPlaces(expert, kAmxGroupRows, [&](std::int64_t place, std::int64_t count) {
            const float* rows[kAmxGroupRows];
            for (std::int64_t r = 0; r < count; ++r) rows[r] = row(place + r);
            packRows(rows, count, begin, end, packed + place * packedRowWords(columns));
        });
    }

    /// Outputs [begin, end) of row(place) · w, into products (places, w.rows). `next`: as in DotRows.
    template <typename Row>
    void multiply(std::int32_t expert, const Matrix& w, std::int64_t begin, std::int64_t end, const void* next,
                  const Row& row, const std::uint32_t* packed, int thread, float* products) const {
        const std::int64_t places = grouping.ends[expert] - grouping.begin(expert);
        forPlaces(expert, rowsAtOnce(w.type), [&](std::int64_t place, std::int64_t count) {
            DotRows rows;
            rows.count = count;
            rows.first = place == grouping.begin(expert);
            rows.next = next;
            if (packed != nullptr) rows.packed = packed + place * packedRowWords(w.columns);
            if (packed != nullptr && places > kAmxRows) rows.copy = copies + thread * copied_lines;
            for (std::int64_t r = 0; r < count; ++r) {
                rows.in[r] = row(place + r);
                rows.out[r] = products + (place + r) * w.rows + begin;
            }
            dotBlock(rows, w, begin, end);
        });
    }

    void packInput(std::int32_t expert, std::int64_t begin, std::int64_t end) const {
        const auto row = [&](std::int64_t place) { return inputRow(place); };
        pack(expert, in.columns, begin, end, row, packed_in);
    }

    /// Row `output` of a matrix of the active expert, after its last the first of the next one's; nullptr: that was
    /// all.
    const void* rowFrom(std::int64_t active, Matrix ExpertMatrices::*matrix, std::int64_t output) const {
        if (active == grouping.active_count) return nullptr;
        const Matrix& w = experts[static_cast<std::size_t>(grouping.active[active])].*matrix;
        return output < w.rows ? w.row(output) : rowFrom(active + 1, matrix, 0);
    }

    void gateAndUp(std::int64_t active, std::int64_t begin, std::int64_t end, int thread) const {
        const std::int32_t expert = grouping.active[active];
        const ExpertMatrices& weights = experts[static_cast<std::size_t>(expert)];
        const void* next = rowFrom(active, &ExpertMatrices::gate, end);
        if (next == nullptr) next = first().down.row(0);
        const auto input = [&](std::int64_t place) { return inputRow(place); };
        multiply(expert, weights.gate, begin, end, rowOrNone(weights.up, begin), input, packed_in, thread, hidden);
        multiply(expert, weights.up, begin, end, next, input, packed_in, thread, up);
        forPlaces(expert, 1, [&](std::int64_t place, std::int64_t) {
            siluMultiply(hiddenRow(place) + begin, up + place * intermediate() + begin, end - begin);
        });
        if (packed_hidden == nullptr) return;
        const auto row = [&](std::int64_t place) { return hiddenRow(place); };
        pack(expert, intermediate(), begin, end, row, packed_hidden);
    }

    void down(std::int64_t active, std::int64_t begin, std::int64_t end, int thread) const {
        const std::int32_t expert = grouping.active[active];
        const Matrix& w = experts[static_cast<std::size_t>(expert)].down;
        const auto row = [&](std::int64_t place) { return hiddenRow(place); };
        const void* next = rowFrom(active, &ExpertMatrices::down, end);
        multiply(expert, w, begin, end, next, row, packed_hidden, thread, results);
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

/// One expert may have all rows, or each a single one: so they are cut by columns as well.
void packInput(ThreadPool& pool, const Mixture& mixture) {
    const std::int64_t columns = mixture.in.columns;
    const std::int64_t ranges = chunkCount(columns, kPackedColumns);
    const bool worth_sharing = worthSharing(mixture.grouping.entry_count * columns * 4, 0);
    pool.runIf(worth_sharing, mixture.grouping.active_count * ranges, [&](std::int64_t chunk, int) {
        const std::int64_t begin = chunk % ranges * kPackedColumns;
        mixture.packInput(mixture.grouping.active[chunk / ranges], begin, std::min(columns, begin + kPackedColumns));
    });
}

/// How outputs are cut into chunks.
struct Cut {
    std::int64_t gate;
    std::int64_t down;
};

Cut cutOutputs(const Mixture& mixture) {
    const std::int64_t rows = mixture.grouping.entry_count / mixture.grouping.active_count;
    // A chunk packs its own outputs for the product that follows.
    const std::int64_t step = mixture.packed_hidden != nullptr ? kAmxColumns : 1;
    return {.gate = chunkCount(chunkOutputs(mixture.first().gate, rows), step) * step,
            .down = chunkOutputs(mixture.first().down, rows)};
}

void mix(ThreadPool& pool, const Mixture& mixture, const Cut& cut) {
    const Grouping& grouping = mixture.grouping;
    const auto share = [&](const Matrix& shape, std::int64_t outputs, std::int64_t matrices, const auto& work) {
        const std::int64_t chunks = chunkCount(shape.rows, outputs);
        const bool worth_sharing = worthSharing(matrices * grouping.active_count * shape.bytes(),
                                                matrices * grouping.entry_count * shape.rows * shape.columns);
        pool.runIf(worth_sharing, grouping.active_count * chunks, [&](std::int64_t chunk, int thread) {
            const std::int64_t begin = chunk % chunks * outputs;
            work(chunk / chunks, begin, std::min(shape.rows, begin + outputs), thread);
        });
    };
    if (mixture.packed_in != nullptr) packInput(pool, mixture);
    share(mixture.first().gate, cut.gate, 2,
          [&](std::int64_t active, std::int64_t begin, std::int64_t end, int thread) {
              mixture.gateAndUp(active, begin, end, thread);
          });
    share(mixture.first().down, cut.down, 1,
          [&](std::int64_t active, std::int64_t begin, std::int64_t end, int thread) {
              mixture.down(active, begin, end, thread);
          });
    pool.runIf(worthSharing(grouping.entry_count * mixture.out.columns * 4, 0), mixture.in.count,
               [&](std::int64_t row, int) { mixture.combine(row); });
}

/// Room for what tiles work on, where any of the chosen experts' matrices uses them.
void reserveForTiles(ThreadPool& pool, ExpertsWorkspace& workspace, Mixture& mixture) {
    const auto any = [&](const auto& uses) {
        const std::int32_t* active = mixture.grouping.active;
        return std::any_of(active, active + mixture.grouping.active_count, [&](std::int32_t expert) {
            return uses(mixture.experts[static_cast<std::size_t>(expert)]);
        });
    };
    const std::int64_t places = mixture.grouping.entry_count;
    if (any([](const ExpertMatrices& expert) { return usesAmx(expert.gate.type) || usesAmx(expert.up.type); })) {
        mixture.packed_in = workspace.packed_in.get(places * packedRowWords(mixture.in.columns));
    }
    if (any([](const ExpertMatrices& expert) { return usesAmx(expert.down.type); })) {
        mixture.packed_hidden = workspace.packed_hidden.get(places * packedRowWords(mixture.intermediate()));
    }
    if (mixture.packed_in == nullptr && mixture.packed_hidden == nullptr) return;
    const Cut cut = cutOutputs(mixture);
    mixture.copied_lines =
        std::max(cut.gate * copiedRowLines(mixture.in.columns), cut.down * copiedRowLines(mixture.intermediate()));
    mixture.copies = workspace.copies.get(pool.threads() * mixture.copied_lines);
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
                        .results = nullptr,
                        .packed_in = nullptr,
                        .packed_hidden = nullptr,
                        .copies = nullptr,
                        .copied_lines = 0};
        mixture.hidden = workspace.hidden.get(grouping.entry_count * mixture.intermediate());
        mixture.up = workspace.up.get(grouping.entry_count * mixture.intermediate());
        mixture.results = workspace.results.get(grouping.entry_count * out.columns);
        reserveForTiles(pool, workspace, mixture);
        mix(pool, mixture, cutOutputs(mixture));
    }
}

void swiglu(ThreadPool& pool, ExpertsWorkspace& workspace, RowsIn in, const ExpertMatrices& weights, RowsOut out) {
    const std::int32_t* ids = workspace.zeros.get(in.count);
    float* ones = workspace.ones.get(in.count);
    std::fill_n(ones, in.count, 1.0F);
    experts(pool, workspace, in, {&weights, 1}, {.ids = ids, .weights = ones, .slots = 1}, out);
}

}  // namespace mixoscope::kernels::cpu
