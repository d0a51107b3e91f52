#include <cmath>

#include "kernels/reference/operations.h"

namespace mixoscope::kernels::reference {
namespace {

/// Rotates one head in the half-split layout: element i pairs with element i + head_dim / 2.
void rotate(float* head, std::int64_t head_dim, std::int64_t position, const QueryKeyArguments& arguments) {
    const std::int64_t half = head_dim / 2;
    for (std::int64_t i = 0; i < half; ++i) {
        const float angle = static_cast<float>(position) * arguments.inverse_frequencies[static_cast<std::size_t>(i)];
        const double scaling = static_cast<double>(arguments.attention_scaling);
        const double cosine = std::cos(static_cast<double>(angle)) * scaling;
        const double sine = std::sin(static_cast<double>(angle)) * scaling;
        const auto first = static_cast<double>(head[i]);
        const auto second = static_cast<double>(head[i + half]);
        head[i] = static_cast<float>(first * cosine - second * sine);
        head[i + half] = static_cast<float>(second * cosine + first * sine);
    }
}

}  // namespace

void queryKeyStore(const QueryKeyArguments& arguments) {
    const KvLayer& cache = arguments.cache;
    const std::int64_t head_dim = cache.head_dim;
    assert(arguments.queries.columns == arguments.heads * head_dim);
    assert(arguments.keys.columns == cache.kv_heads * head_dim && arguments.values.columns == arguments.keys.columns);
    assert(static_cast<std::int64_t>(arguments.inverse_frequencies.size()) == head_dim / 2);

    for (std::int64_t row = 0; row < arguments.queries.count; ++row) {
        const SequencePosition& place = arguments.sequence[static_cast<std::size_t>(row)];
        for (std::int64_t head = 0; head < arguments.heads; ++head) {
            float* query = arguments.queries.row(row) + head * head_dim;
            const RowsOut view(query, 1, head_dim);
            if (!arguments.query_norm.empty()) rmsNorm(view, arguments.query_norm, arguments.norm_epsilon, view);
            rotate(query, head_dim, place.position, arguments);
        }
        const std::int64_t page = place.pages[static_cast<std::size_t>(place.position / kKvPageTokens)];
        for (std::int64_t head = 0; head < cache.kv_heads; ++head) {
            const std::int64_t offset = cache.offset(page, head, place.position % kKvPageTokens);
            const RowsIn key(arguments.keys.row(row) + head * head_dim, 1, head_dim);
            const float* value = arguments.values.row(row) + head * head_dim;
            const RowsOut stored(cache.keys + offset, 1, head_dim);
            for (std::int64_t i = 0; i < head_dim; ++i) {
                stored.data[i] = key.data[i];
                cache.values[offset + i] = value[i];
            }
            if (!arguments.key_norm.empty()) rmsNorm(stored, arguments.key_norm, arguments.norm_epsilon, stored);
            rotate(stored.data, head_dim, place.position, arguments);
        }
    }
}

}  // namespace mixoscope::kernels::reference
