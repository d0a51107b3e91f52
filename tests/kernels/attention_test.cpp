// Attention over the paged cache, and QK-norm, rotary embedding and storing into it.
#include <algorithm>
#include <numeric>

#include "kernels/kernel_cases_test.h"

namespace mixoscope::kernels::test {
namespace {

/// A cache of one layer whose pages lie scattered; slots that nothing was written to hold NaN.
struct Cache {
    Cache(std::int64_t kv_heads, std::int64_t head_dim, std::int64_t positions, std::mt19937& random) {
        const std::int64_t count = (positions + kKvPageTokens - 1) / kKvPageTokens;
        pages.resize(static_cast<std::size_t>(count));
        std::iota(pages.begin(), pages.end(), 2);
        std::shuffle(pages.begin(), pages.end(), random);
        const auto size = static_cast<std::size_t>((count + 3) * kv_heads * kKvPageTokens * head_dim);
        keys.assign(size, std::numeric_limits<float>::quiet_NaN());
        values = keys;
        layer = {keys.data(), values.data(), kv_heads, head_dim};
        for (std::int64_t p = 0; p < positions; ++p) {
            for (std::int64_t head = 0; head < kv_heads; ++head) {
                for (auto* array : {&keys, &values}) {
                    const std::vector<float> entry = randomFloats(head_dim, random);
                    std::copy(entry.begin(), entry.end(), array->begin() + at(p, head));
                }
            }
        }
    }
    std::int64_t at(std::int64_t position, std::int64_t head) const {
        return layer.offset(pages[static_cast<std::size_t>(position / kKvPageTokens)], head, position % kKvPageTokens);
    }
    std::vector<std::int32_t> pages;
    std::vector<float> keys;
    std::vector<float> values;
    KvLayer layer;
};

std::vector<SequencePosition> positionsOf(const Cache& cache, const std::vector<std::int64_t>& positions) {
    std::vector<SequencePosition> places;
    for (const std::int64_t position : positions) places.push_back({cache.pages, position});
    return places;
}

class CpuAttention : public OnEveryInstructionSet {
protected:
    void compare(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim,
                 const std::vector<std::int64_t>& at) {
        const std::int64_t longest = *std::max_element(at.begin(), at.end()) + 1;
        const Cache cache(kv_heads, head_dim, longest, m_random);
        const std::int64_t columns = heads * head_dim;
        const std::vector<float> queries = randomFloats(static_cast<std::int64_t>(at.size()) * columns, m_random);
        const std::vector<SequencePosition> places = positionsOf(cache, at);
        std::vector<float> expected(queries.size());
        std::vector<float> found(queries.size());
        makeReferenceBackend()->attention(rowsOf(queries, columns), cache.layer, places, heads,
                                          rowsOf(expected, columns));
        makeCpuBackend(2)->attention(rowsOf(queries, columns), cache.layer, places, heads, rowsOf(found, columns));
        double largest_key = 0.0;
        double largest_value = 0.0;
        for (std::int64_t p = 0; p < longest; ++p) {
            for (std::int64_t head = 0; head < kv_heads; ++head) {
                largest_key = std::max(largest_key, norm(cache.keys.data() + cache.at(p, head), head_dim));
                for (std::int64_t i = 0; i < head_dim; ++i) {
                    const float value = cache.values[static_cast<std::size_t>(cache.at(p, head) + i)];
                    largest_value = std::max(largest_value, std::abs(static_cast<double>(value)));
                }
            }
        }
        for (std::size_t i = 0; i < found.size(); ++i) {
            const auto query = static_cast<std::int64_t>(i) / head_dim * head_dim;
            const double score_error = dotTolerance(head_dim, norm(queries.data() + query, head_dim), largest_key) /
                                       std::sqrt(static_cast<double>(head_dim));
            // Each share's relative error is that of exp and its score, the sum of shares adds its own.
            const double relative =
                2.0 * score_error + kEpsilon * (8.0 + 4.0 * std::sqrt(static_cast<double>(longest)));
            ASSERT_NEAR(expected[i], found[i], relative * largest_value) << "element " << i;
        }
    }
};
MIXO_ON_EVERY_INSTRUCTION_SET(CpuAttention);

TEST_P(CpuAttention, AgreesWithTheOracleAtEveryLength) {
    for (std::int64_t position = 0; position < 200; ++position) {
        SCOPED_TRACE(testing::Message() << position + 1 << " positions");
        ASSERT_NO_FATAL_FAILURE(compare(4, 2, 16, {position}));
    }
}

TEST_P(CpuAttention, AgreesWithTheOracleForAnyHeads) {
    for (const auto& [heads, kv_heads] :
         {std::pair<std::int64_t, std::int64_t>{1, 1}, {8, 1}, {6, 2}, {5, 5}, {32, 4}}) {
        for (const std::int64_t head_dim : {2, 6, 16, 24, 64, 100, 128}) {
            SCOPED_TRACE(testing::Message() << heads << " heads on " << kv_heads << " of " << head_dim);
            ASSERT_NO_FATAL_FAILURE(compare(heads, kv_heads, head_dim, {0, 3, 40, 16, 15}));
        }
    }
}

TEST_P(CpuAttention, AgreesWithTheOracleOverLongContexts) {
    ASSERT_NO_FATAL_FAILURE(compare(4, 1, 64, {1299}));
    ASSERT_NO_FATAL_FAILURE(compare(2, 1, 16, {5000, 511, 512, 513, 1024}));
}

TEST_P(CpuAttention, RowsKeepTheirBitsInAnyBatchOnAnyThreads) {
    const std::int64_t heads = 4;
    const std::int64_t head_dim = 40;
    const std::int64_t columns = heads * head_dim;
    const Cache cache(2, head_dim, 2100, m_random);
    const std::vector<std::int64_t> at{0, 15, 16, 500, 511, 512, 1000, 2099, 2098, 64, 65};
    const auto rows = static_cast<std::int64_t>(at.size());
    const std::vector<float> queries = randomFloats(rows * columns, m_random);
    const std::vector<SequencePosition> places = positionsOf(cache, at);
    std::vector<float> alone(queries.size());
    const auto one = makeCpuBackend(1);
    for (std::int64_t row = 0; row < rows; ++row) {
        one->attention({queries.data() + row * columns, 1, columns}, cache.layer,
                       std::span(places).subspan(static_cast<std::size_t>(row), 1), heads,
                       {alone.data() + row * columns, 1, columns});
    }
    for (const int threads : {1, 2, 3}) {
        const auto cpu = makeCpuBackend(threads);
        for (const std::int64_t batch : {1, 2, 5, 11}) {
            std::vector<float> together(queries.size());
            for (std::int64_t first = 0; first < rows; first += batch) {
                const std::int64_t count = std::min(batch, rows - first);
                cpu->attention(
                    {queries.data() + first * columns, count, columns}, cache.layer,
                    std::span(places).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)), heads,
                    {together.data() + first * columns, count, columns});
            }
            EXPECT_TRUE(sameBits(alone.data(), together.data(), rows * columns))
                << batch << " rows, " << threads << " threads";
        }
    }
}

TEST_P(CpuAttention, LargeScoresDoNotOverflow) {
    const Cache cache(1, 8, 40, m_random);
    std::vector<float> queries = randomFloats(8, m_random, 1000.0F);
    const std::vector<SequencePosition> places = positionsOf(cache, {39});
    std::vector<float> expected(8);
    std::vector<float> found(8);
    makeReferenceBackend()->attention(rowsOf(queries, 8), cache.layer, places, 1, rowsOf(expected, 8));
    makeCpuBackend(1)->attention(rowsOf(queries, 8), cache.layer, places, 1, rowsOf(found, 8));
    for (std::size_t i = 0; i < 8; ++i)
        EXPECT_NEAR(expected[i], found[i], 0.02);  // scores of thousands, one share is 1
}

TEST_P(CpuAttention, NanInOneKeyReachesTheRowsThatSeeIt) {
    Cache cache(1, 8, 40, m_random);
    cache.keys[static_cast<std::size_t>(cache.at(20, 0) + 3)] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> queries = randomFloats(2 * 8, m_random);
    const std::vector<SequencePosition> places = positionsOf(cache, {19, 39});
    std::vector<float> found(2 * 8);
    makeCpuBackend(1)->attention(rowsOf(queries, 8), cache.layer, places, 1, rowsOf(found, 8));
    for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_FALSE(std::isnan(found[i]));
        EXPECT_TRUE(std::isnan(found[8 + i]));
    }
}

class CpuQueryKeyStore : public OnEveryInstructionSet {};
MIXO_ON_EVERY_INSTRUCTION_SET(CpuQueryKeyStore);

TEST_P(CpuQueryKeyStore, AgreesWithTheOracle) {
    const auto cpu = makeCpuBackend(2);
    for (const std::int64_t head_dim : {2, 6, 16, 64, 96, 128}) {
        for (const bool with_norm : {false, true}) {
            for (const std::int64_t rows : {1, 2, 7, 33}) {
                SCOPED_TRACE(testing::Message() << rows << " rows, head_dim " << head_dim << ", norm " << with_norm);
                const std::int64_t heads = 6;
                const std::int64_t kv_heads = 2;
                std::vector<float> expected = randomFloats(rows * heads * head_dim, m_random);
                std::vector<float> found = expected;
                const std::vector<float> keys = randomFloats(rows * kv_heads * head_dim, m_random);
                const std::vector<float> values = randomFloats(rows * kv_heads * head_dim, m_random);
                const std::vector<float> query_norm = randomFloats(head_dim, m_random);
                const std::vector<float> key_norm = randomFloats(head_dim, m_random);
                std::vector<float> frequencies;
                for (std::int64_t i = 0; i < head_dim / 2; ++i) {
                    frequencies.push_back(std::pow(1e6F, -2.0F * static_cast<float>(i) / static_cast<float>(head_dim)));
                }
                Cache oracle_cache(kv_heads, head_dim, 300, m_random);
                Cache cpu_cache = oracle_cache;
                cpu_cache.layer.keys = cpu_cache.keys.data();
                cpu_cache.layer.values = cpu_cache.values.data();
                std::vector<std::int64_t> at(static_cast<std::size_t>(rows));
                for (std::int64_t& position : at) position = static_cast<std::int64_t>(m_random() % 300);
                std::sort(at.begin(), at.end());
                at.erase(std::unique(at.begin(), at.end()), at.end());
                const auto count = static_cast<std::int64_t>(at.size());
                const std::vector<SequencePosition> places = positionsOf(oracle_cache, at);
                QueryKeyArguments arguments{.queries = {expected.data(), count, heads * head_dim},
                                            .keys = {keys.data(), count, kv_heads * head_dim},
                                            .values = {values.data(), count, kv_heads * head_dim},
                                            .query_norm = {},
                                            .key_norm = {},
                                            .norm_epsilon = 1e-6F,
                                            .inverse_frequencies = frequencies,
                                            .attention_scaling = 1.1F,
                                            .cache = oracle_cache.layer,
                                            .sequence = places,
                                            .heads = heads};
                if (with_norm) {
                    arguments.query_norm = query_norm;
                    arguments.key_norm = key_norm;
                }
                makeReferenceBackend()->queryKeyStore(arguments);
                arguments.queries = {found.data(), count, heads * head_dim};
                arguments.cache = cpu_cache.layer;
                cpu->queryKeyStore(arguments);

                // A rotated pair has the norm of the pair: a few roundings of numbers of that size, and those of the
                // norm.
                const auto nearRow = [&](const float* a, const float* b) {
                    const double tolerance =
                        kEpsilon * (8.0 + 2.0 * std::sqrt(static_cast<double>(head_dim))) * norm(a, head_dim);
                    for (std::int64_t i = 0; i < head_dim; ++i) {
                        ASSERT_NEAR(a[i], b[i], tolerance);
                    }
                };
                for (std::int64_t i = 0; i < count * heads; ++i) {
                    ASSERT_NO_FATAL_FAILURE(nearRow(expected.data() + i * head_dim, found.data() + i * head_dim));
                }
                for (std::int64_t p = 0; p < 300; ++p) {
                    for (std::int64_t head = 0; head < kv_heads; ++head) {
                        const std::int64_t offset = oracle_cache.at(p, head);
                        ASSERT_NO_FATAL_FAILURE(
                            nearRow(oracle_cache.keys.data() + offset, cpu_cache.keys.data() + offset));
                        ASSERT_TRUE(
                            sameBits(oracle_cache.values.data() + offset, cpu_cache.values.data() + offset, head_dim));
                    }
                }
            }
        }
    }
}

TEST_P(CpuQueryKeyStore, EveryCallGetsItsOwnAngles) {
    const Cache cache(1, 4, 64, m_random);
    const auto kept = makeCpuBackend(1);
    const std::vector<float> key = randomFloats(2 * 4, m_random);
    const std::vector<float> query = randomFloats(2 * 4, m_random);
    const auto rotated = [&](Backend& backend, std::int64_t position, const std::vector<float>& frequencies,
                             float scaling) {
        std::vector<float> found = query;
        const std::vector<SequencePosition> places = positionsOf(cache, {position, position + 1});
        backend.queryKeyStore({.queries = {found.data(), 2, 4},
                               .keys = {key.data(), 2, 4},
                               .values = {key.data(), 2, 4},
                               .query_norm = {},
                               .key_norm = {},
                               .norm_epsilon = 1e-6F,
                               .inverse_frequencies = frequencies,
                               .attention_scaling = scaling,
                               .cache = cache.layer,
                               .sequence = places,
                               .heads = 1});
        return found;
    };
    const auto expectFresh = [&](std::int64_t position, const std::vector<float>& frequencies, float scaling) {
        const auto fresh = makeCpuBackend(1);
        EXPECT_EQ(rotated(*kept, position, frequencies, scaling), rotated(*fresh, position, frequencies, scaling));
    };
    expectFresh(7, {1.0F, 0.1F}, 1.0F);
    expectFresh(8, {1.0F, 0.1F}, 1.0F);
    expectFresh(8, {1.0F, 0.2F}, 1.0F);
    expectFresh(8, {1.0F, 0.2F}, 1.5F);
}

}  // namespace
}  // namespace mixoscope::kernels::test
