// Attention over the pool. A row's positions are cut into spans of fixed length whose sums are merged in ascending
// order, so that one row with a long context can be shared out too, with the same bits.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/families.h"
#include "kernels/cpu/operations.h"

namespace mixoscope::kernels::cpu {
namespace {

constexpr std::int64_t kSpanTokens = 32 * kKvPageTokens;

struct AttentionTask {
    RowsIn queries;
    const KvLayer& cache;
    std::span<const SequencePosition> sequence;
    std::int64_t group;  // query heads of one key/value head
    float scale;
    RowsOut out;

    std::int64_t positions(std::int64_t row) const { return sequence[static_cast<std::size_t>(row)].position + 1; }
    /// Floats of one AttentionSums, padded to whole cache lines.
    std::int64_t sumsSize() const { return (group * (cache.head_dim + 2) + 15) / 16 * 16; }
    AttentionSums sumsAt(float* data) const { return {data, data + group, data + 2 * group}; }

    void attend(std::int64_t row, std::int64_t kv_head, std::int64_t span, const AttentionSums& sums) const {
        const AttentionHeads heads{queries.row(row) + kv_head * group * cache.head_dim, group, kv_head, scale};
        const std::int64_t first = span * kSpanTokens;
        const std::int64_t end = std::min(positions(row), first + kSpanTokens);
        attendSpan(heads, cache, sequence[static_cast<std::size_t>(row)].pages, first, end, sums);
    }
    void finish(std::int64_t row, std::int64_t kv_head, const AttentionSums& total) const {
        finishSums(total, group, cache.head_dim, out.row(row) + kv_head * group * cache.head_dim);
    }
};

void shareRowsAndHeads(ThreadPool& pool, AttentionWorkspace& workspace, const AttentionTask& task, bool worth_sharing) {
    const std::int64_t size = task.sumsSize();
    float* sums = workspace.threads.get(pool.threads() * 2 * size);
    // The last rows of a prompt see the most positions: they go first, so that no thread is left with a long one.
    const std::int64_t chunks = task.queries.count * task.cache.kv_heads;
    pool.runIf(worth_sharing, chunks, [&](std::int64_t chunk, int thread) {
        const std::int64_t index = chunks - 1 - chunk;
        const std::int64_t row = index / task.cache.kv_heads;
        const std::int64_t kv_head = index % task.cache.kv_heads;
        const AttentionSums total = task.sumsAt(sums + 2 * thread * size);
        const AttentionSums part = task.sumsAt(sums + (2 * thread + 1) * size);
        clearSums(total, task.group, task.cache.head_dim);
        for (std::int64_t span = 0; span * kSpanTokens < task.positions(row); ++span) {
            task.attend(row, kv_head, span, part);
            mergeSums(part, task.group, task.cache.head_dim, total);
        }
        task.finish(row, kv_head, total);
    });
}

void shareSpans(ThreadPool& pool, AttentionWorkspace& workspace, const AttentionTask& task, std::int64_t spans) {
    const std::int64_t size = task.sumsSize();
    const std::int64_t pairs = task.queries.count * task.cache.kv_heads;
    float* parts = workspace.spans.get(pairs * spans * size);
    pool.run(pairs * spans, [&](std::int64_t chunk, int) {
        const std::int64_t pair = chunk / spans;
        const std::int64_t span = chunk % spans;
        const std::int64_t row = pair / task.cache.kv_heads;
        if (span * kSpanTokens >= task.positions(row)) return;
        task.attend(row, pair % task.cache.kv_heads, span, task.sumsAt(parts + chunk * size));
    });
    const AttentionSums total = task.sumsAt(workspace.threads.get(size));
    for (std::int64_t pair = 0; pair < pairs; ++pair) {
        const std::int64_t row = pair / task.cache.kv_heads;
        clearSums(total, task.group, task.cache.head_dim);
        for (std::int64_t span = 0; span * kSpanTokens < task.positions(row); ++span) {
            mergeSums(task.sumsAt(parts + (pair * spans + span) * size), task.group, task.cache.head_dim, total);
        }
        task.finish(row, pair % task.cache.kv_heads, total);
    }
}

}  // namespace

void attention(ThreadPool& pool, AttentionWorkspace& workspace, RowsIn queries, const KvLayer& cache,
               std::span<const SequencePosition> sequence, std::int64_t heads, RowsOut out) {
    assert(queries.columns == heads * cache.head_dim && out.columns == queries.columns);
    assert(heads % cache.kv_heads == 0 && static_cast<std::int64_t>(sequence.size()) == queries.count);
    const float scale = 1.0F / std::sqrt(static_cast<float>(cache.head_dim));
    const AttentionTask task{queries, cache, sequence, heads / cache.kv_heads, scale, out};

    std::int64_t positions = 0;
    std::int64_t longest = 0;
    for (std::int64_t row = 0; row < queries.count; ++row) {
        positions += task.positions(row);
        longest = std::max(longest, task.positions(row));
    }
    const bool worth_sharing =
        worthSharing(positions * cache.kv_heads * cache.head_dim * 8, 2 * positions * heads * cache.head_dim);
    const std::int64_t spans = chunkCount(longest, kSpanTokens);
    if (worth_sharing && spans > 1 && queries.count * cache.kv_heads < 4 * pool.threads()) {
        shareSpans(pool, workspace, task, spans);
    } else {
        shareRowsAndHeads(pool, workspace, task, worth_sharing);
    }
}

}  // namespace mixoscope::kernels::cpu
