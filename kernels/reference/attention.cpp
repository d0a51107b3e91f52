#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference/operations.h"

namespace mixoscope::kernels::reference {

void attention(RowsIn queries, KvLayer cache, std::span<const SequencePosition> sequence, std::int64_t heads,
               RowsOut out) {
    const std::int64_t head_dim = cache.head_dim;
    assert(queries.columns == heads * head_dim && out.columns == queries.columns && heads % cache.kv_heads == 0);
    const std::int64_t group = heads / cache.kv_heads;
    std::vector<double> scores;
    std::vector<double> sums(static_cast<std::size_t>(head_dim));

    for (std::int64_t row = 0; row < queries.count; ++row) {
        const SequencePosition& place = sequence[static_cast<std::size_t>(row)];
        const auto count = static_cast<std::size_t>(place.position + 1);
        for (std::int64_t head = 0; head < heads; ++head) {
            const float* query = queries.row(row) + head * head_dim;
            const auto offset = [&](std::size_t position) {
                const auto p = static_cast<std::int64_t>(position);
                return cache.offset(place.pages[static_cast<std::size_t>(p / kKvPageTokens)], head / group,
                                    p % kKvPageTokens);
            };
            scores.assign(count, 0.0);
            for (std::size_t p = 0; p < count; ++p) {
                const float* key = cache.keys + offset(p);
                for (std::int64_t i = 0; i < head_dim; ++i) {
                    scores[p] += static_cast<double>(query[i]) * static_cast<double>(key[i]);
                }
                scores[p] /= std::sqrt(static_cast<double>(head_dim));
            }
            const double highest = *std::max_element(scores.begin(), scores.end());
            double total = 0.0;
            std::fill(sums.begin(), sums.end(), 0.0);
            for (std::size_t p = 0; p < count; ++p) {
                const double share = std::exp(scores[p] - highest);
                const float* value = cache.values + offset(p);
                total += share;
                for (std::int64_t i = 0; i < head_dim; ++i) {
                    sums[static_cast<std::size_t>(i)] += share * static_cast<double>(value[i]);
                }
            }
            float* result = out.row(row) + head * head_dim;
            for (std::int64_t i = 0; i < head_dim; ++i) {
                result[i] = static_cast<float>(sums[static_cast<std::size_t>(i)] / total);
            }
        }
    }
}

}  // namespace mixoscope::kernels::reference
