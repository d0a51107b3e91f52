// Embedding, norm and matrix products over the pool.
#include <algorithm>

#include "kernels/cpu/dot.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/operations.h"

namespace mixoscope::kernels::cpu {
namespace {

// A chunk's weights stay in the second-level cache while further rows are multiplied with them.
constexpr std::int64_t kChunkBytes = 64 * 1024;
// Packed rows of a long prompt don't: they come from the last cache, the less often the more outputs a chunk has.
constexpr std::int64_t kReusedChunkBytes = 512 * 1024;
constexpr std::int64_t kMaxChunkOutputs = 256;

/// `in` for the tiles, nullptr where no product uses them.
const std::uint32_t* packInput(ThreadPool& pool, ProductsWorkspace& workspace, RowsIn in,
                               std::span<const Product> products) {
    if (std::ranges::none_of(products, [](const Product& product) { return usesAmx(product.w.type); })) return nullptr;
    std::uint32_t* packed = workspace.packed.get(in.count * packedRowWords(in.columns));
    pool.runIf(worthSharing(in.count * in.columns * 4, 0), chunkCount(in.count, kAmxGroupRows),
               [&](std::int64_t chunk, int) {
                   const std::int64_t row = chunk * kAmxGroupRows;
                   const std::int64_t count = std::min(kAmxGroupRows, in.count - row);
                   const float* rows[kAmxGroupRows];
                   for (std::int64_t r = 0; r < count; ++r) rows[r] = in.row(row + r);
                   packRows(rows, count, 0, in.columns, packed + row * packedRowWords(in.columns));
               });
    return packed;
}

/// Outputs [begin, end) of as many rows as go at once, from `row` on. `packed` and `copy` are for tiles, `next` as in
/// DotRows.
void multiplyRows(RowsIn in, const std::uint32_t* packed, CacheLine* copy, const Product& product, std::int64_t row,
                  std::int64_t begin, std::int64_t end, const void* next) {
    float sums[kMaxRowsAtOnce][kMaxChunkOutputs];
    DotRows rows;
    rows.count = std::min(rowsAtOnce(product.w.type), in.count - row);
    rows.first = row == 0;
    rows.next = next;
    if (packed != nullptr) rows.packed = packed + row * packedRowWords(in.columns);
    if (in.count > kAmxRows) rows.copy = copy;
    for (std::int64_t r = 0; r < rows.count; ++r) {
        rows.in[r] = in.row(row + r);
        rows.out[r] = sums[r];
    }
    dotBlock(rows, product.w, begin, end);
    const float* bias = product.bias.empty() ? nullptr : product.bias.data() + begin;
    for (std::int64_t r = 0; r < rows.count; ++r) {
        float* out = product.out.row(row + r) + begin;
        if (bias != nullptr) {
            for (std::int64_t i = 0; i < end - begin; ++i) sums[r][i] += bias[i];
        }
        if (product.mode == Accumulate::kAdd) {
            for (std::int64_t i = 0; i < end - begin; ++i) out[i] += sums[r][i];
        } else {
            std::copy_n(sums[r], end - begin, out);
        }
    }
}

}  // namespace

std::int64_t chunkOutputs(const Matrix& w, std::int64_t rows) {
    const std::int64_t row_bytes = std::max<std::int64_t>(1, w.bytes() / std::max<std::int64_t>(1, w.rows));
    const std::int64_t bytes = usesAmx(w.type) && rows > kAmxRows ? kReusedChunkBytes : kChunkBytes;
    const std::int64_t step = outputsAtOnce(w.type);
    return std::clamp(bytes / row_bytes / step * step, step, kMaxChunkOutputs / step * step);
}

void embed(ThreadPool& pool, Matrix table, std::span<const std::int32_t> ids, RowsOut out) {
    assert(static_cast<std::int64_t>(ids.size()) == out.count && table.columns == out.columns);
    pool.runIf(worthSharing(out.count * out.columns * 4, 0), out.count, [&](std::int64_t row, int) {
        const std::span<float> entry(out.row(row), static_cast<std::size_t>(out.columns));
        convertRow(table.row(ids[static_cast<std::size_t>(row)]), table.type, entry);
    });
}

void rmsNorm(ThreadPool& pool, RowsIn in, std::span<const float> weight, float epsilon, RowsOut out) {
    assert(in.count == out.count && in.columns == out.columns);
    assert(static_cast<std::int64_t>(weight.size()) == in.columns);
    pool.runIf(worthSharing(in.count * in.columns * 4, 0), in.count,
               [&](std::int64_t row, int) { normaliseRow(in.row(row), weight, epsilon, out.row(row)); });
}

void matmulEach(ThreadPool& pool, ProductsWorkspace& workspace, RowsIn in, std::span<const Product> products) {
    const auto chunksOf = [&](const Product& product) {
        return chunkCount(product.w.rows, chunkOutputs(product.w, in.count));
    };
    std::int64_t chunks = 0;
    std::int64_t bytes = 0;
    std::int64_t multiply_adds = 0;
    std::int64_t copied = 0;
    for (const Product& product : products) {
        assert(in.columns == product.w.columns && product.out.columns == product.w.rows);
        assert(in.count == product.out.count);
        assert(product.bias.empty() || static_cast<std::int64_t>(product.bias.size()) == product.w.rows);
        chunks += chunksOf(product);
        bytes += product.w.bytes();
        if (usesAmx(product.w.type) && in.count > kAmxRows) {
            copied = std::max(copied, chunkOutputs(product.w, in.count) * copiedRowLines(product.w.columns));
        }
        multiply_adds += in.count * product.w.rows * product.w.columns;
    }
    const std::uint32_t* packed = packInput(pool, workspace, in, products);
    CacheLine* copies = workspace.copies.get(pool.threads() * copied);
    pool.runIf(worthSharing(bytes, multiply_adds), chunks, [&](std::int64_t chunk, int thread) {
        const Product* product = products.data();
        for (std::int64_t own; chunk >= (own = chunksOf(*product)); ++product) chunk -= own;
        const std::int64_t outputs = chunkOutputs(product->w, in.count);
        const std::int64_t begin = chunk * outputs;
        const std::int64_t end = std::min(product->w.rows, begin + outputs);
        const std::int64_t step = rowsAtOnce(product->w.type);
        const void* next = rowOrNone(product->w, end);
        if (next == nullptr && product != &products.back()) next = product[1].w.row(0);
        for (std::int64_t row = 0; row < in.count; row += step) {
            multiplyRows(in, packed, copies + thread * copied, *product, row, begin, end, next);
        }
    });
}

}  // namespace mixoscope::kernels::cpu
