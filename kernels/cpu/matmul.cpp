// Embedding, norm and matrix products over the pool.
#include <algorithm>

#include "kernels/cpu/dot.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/operations.h"

namespace mixoscope::kernels::cpu {
namespace {

// A chunk's weights stay in the second-level cache while further rows are multiplied with them.
constexpr std::int64_t kChunkBytes = 64 * 1024;
constexpr std::int64_t kMaxChunkOutputs = 20 * kTileOutputs;

void multiplyTile(RowsIn in, const Product& product, std::int64_t row, std::int64_t begin, std::int64_t end) {
    float sums[kTileRows][kMaxChunkOutputs];
    DotRows rows;
    rows.count = std::min(kTileRows, in.count - row);
    rows.first = row == 0;
    rows.next = rowOrNone(product.w, end);
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

std::int64_t chunkOutputs(const Matrix& w) {
    const std::int64_t row_bytes = std::max<std::int64_t>(1, w.bytes() / std::max<std::int64_t>(1, w.rows));
    const std::int64_t outputs = kChunkBytes / row_bytes / kTileOutputs * kTileOutputs;
    return std::clamp(outputs, kTileOutputs, kMaxChunkOutputs);
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

void matmulEach(ThreadPool& pool, RowsIn in, std::span<const Product> products) {
    std::int64_t chunks = 0;
    std::int64_t bytes = 0;
    std::int64_t multiply_adds = 0;
    for (const Product& product : products) {
        assert(in.columns == product.w.columns && product.out.columns == product.w.rows);
        assert(in.count == product.out.count);
        assert(product.bias.empty() || static_cast<std::int64_t>(product.bias.size()) == product.w.rows);
        chunks += chunkCount(product.w.rows, chunkOutputs(product.w));
        bytes += product.w.bytes();
        multiply_adds += in.count * product.w.rows * product.w.columns;
    }
    pool.runIf(worthSharing(bytes, multiply_adds), chunks, [&](std::int64_t chunk, int) {
        const Product* product = products.data();
        for (std::int64_t own; chunk >= (own = chunkCount(product->w.rows, chunkOutputs(product->w))); ++product) {
            chunk -= own;
        }
        const std::int64_t begin = chunk * chunkOutputs(product->w);
        const std::int64_t end = std::min(product->w.rows, begin + chunkOutputs(product->w));
        for (std::int64_t row = 0; row < in.count; row += kTileRows) multiplyTile(in, *product, row, begin, end);
    });
}

}  // namespace mixoscope::kernels::cpu
