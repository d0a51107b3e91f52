// Attention of the CUDA kernels against the oracle: rotation, storing, and grouped-query attention over the paged
// cache.
#include <algorithm>
#include <numeric>

#include "kernels/cuda_step_test.h"

namespace mixoscope::kernels::test {
namespace {

/// What attention needs besides the rows' positions. The cache holds the keys and values of all positions before; a
/// row's own are in `keys` and `values`.
struct AttentionData {
    AttentionData(std::int64_t query_heads, std::int64_t key_heads, std::int64_t dimensions,
                  const std::vector<std::int64_t>& at, std::mt19937& random)
        : heads(query_heads), kv_heads(key_heads), head_dim(dimensions), positions(at) {
        const auto rows = static_cast<std::int64_t>(at.size());
        const std::int64_t longest = *std::max_element(at.begin(), at.end()) + 1;
        pages.resize(static_cast<std::size_t>((longest + kKvPageTokens - 1) / kKvPageTokens));
        std::iota(pages.begin(), pages.end(), 1);
        std::shuffle(pages.begin(), pages.end(), random);
        const std::int64_t size = (std::ssize(pages) + 2) * kv_heads * kKvPageTokens * head_dim;
        cache_keys = randomFloats(size, random);
        cache_values = randomFloats(size, random);
        queries = randomFloats(rows * heads * head_dim, random);
        keys = randomFloats(rows * kv_heads * head_dim, random);
        values = randomFloats(rows * kv_heads * head_dim, random);
        query_norm = randomFloats(head_dim, random);
        key_norm = randomFloats(head_dim, random);
        for (std::int64_t i = 0; i < head_dim / 2; ++i)
            frequencies.push_back(std::pow(10000.0F, -2.0F * static_cast<float>(i) / static_cast<float>(head_dim)));
    }

    struct Result {
        std::vector<float> attended, keys, values;  // the latter two: of the whole cache
    };

    /// `alone`: each row's sequence is its own. `slots`: rows times key-value heads that have room in parts, 0: all.
    Result run(cuda::Device& device, bool norms, bool alone, std::int64_t slots = 0) const {
        const auto rows = static_cast<std::int64_t>(positions.size());
        PhaseRun phase(device);
        phase.step.hidden_size = 4;
        phase.step.heads = static_cast<std::int32_t>(heads);
        phase.step.kv_heads = static_cast<std::int32_t>(kv_heads);
        phase.step.head_dim = static_cast<std::int32_t>(head_dim);
        phase.step.norm_epsilon = 1e-6F;
        phase.step.queries = phase.arrays.put(queries);
        phase.step.keys = phase.arrays.put(keys);
        phase.step.values = phase.arrays.put(values);
        phase.step.attended = phase.arrays.make<float>(rows * heads * head_dim);
        if (slots == 0) slots = rows * kv_heads;
        phase.step.attention_slots = static_cast<std::int32_t>(slots);
        phase.step.attention_parts =
            phase.arrays.make<float>(slots * (heads / kv_heads) * cuda::kMaxAttentionParts * (head_dim + 2));
        phase.step.parts_done = phase.arrays.make<std::uint32_t>(rows * kv_heads);
        phase.layer.keys = phase.arrays.put(cache_keys);
        phase.layer.values = phase.arrays.put(cache_values);
        if (norms) {
            phase.layer.q_norm = phase.arrays.put(query_norm);
            phase.layer.k_norm = phase.arrays.put(key_norm);
        }
        StepRows step_rows = stepRows();
        step_rows.independent = alone;
        if (alone) {
            phase.run(cuda::StepPhase::kAttention, step_rows);
        } else {
            phase.run({{cuda::StepPhase::kStoreKeyValue, 0}, {cuda::StepPhase::kAttention, 0}}, step_rows,
                      cuda::StepLaunch::kTogether);
        }
        const auto done = phase.arrays.get(phase.step.parts_done, rows * kv_heads);
        EXPECT_TRUE(std::ranges::all_of(done, [](std::uint32_t count) { return count == 0; }));
        return {phase.arrays.get(phase.step.attended, rows * heads * head_dim),
                phase.arrays.get(phase.layer.keys, std::ssize(cache_keys)),
                phase.arrays.get(phase.layer.values, std::ssize(cache_values))};
    }

    StepRows stepRows() const {
        StepRows rows = plainRows(std::ssize(positions));
        rows.pages = pages;
        for (std::size_t row = 0; row < positions.size(); ++row) {
            rows.rows[row].position = static_cast<std::int32_t>(positions[row]);
            const auto angle = [&](std::int64_t i) {
                return static_cast<double>(static_cast<float>(positions[row]) *
                                           frequencies[static_cast<std::size_t>(i)]);
            };
            for (std::int64_t i = 0; i < head_dim / 2; ++i)
                rows.rotary.push_back(static_cast<float>(std::cos(angle(i))));
            for (std::int64_t i = 0; i < head_dim / 2; ++i)
                rows.rotary.push_back(static_cast<float>(std::sin(angle(i))));
        }
        return rows;
    }

    Result expected(bool norms) const {
        Result result{std::vector<float>(queries.size()), cache_keys, cache_values};
        std::vector<float> rotated = queries;
        const KvLayer cache{result.keys.data(), result.values.data(), kv_heads, head_dim};
        std::vector<SequencePosition> places;
        for (const std::int64_t position : positions) places.push_back({pages, position});
        const auto reference = makeReferenceBackend();
        reference->queryKeyStore({.queries = rowsOf(rotated, heads * head_dim),
                                  .keys = rowsOf(keys, kv_heads * head_dim),
                                  .values = rowsOf(values, kv_heads * head_dim),
                                  .query_norm = norms ? std::span<const float>(query_norm) : std::span<const float>(),
                                  .key_norm = norms ? std::span<const float>(key_norm) : std::span<const float>(),
                                  .inverse_frequencies = frequencies,
                                  .cache = cache,
                                  .sequence = places,
                                  .heads = heads});
        reference->attention(rowsOf(rotated, heads * head_dim), cache, places, heads,
                             rowsOf(result.attended, heads * head_dim));
        return result;
    }

    std::int64_t heads, kv_heads, head_dim;
    std::vector<std::int64_t> positions;
    std::vector<std::int32_t> pages;
    std::vector<float> cache_keys, cache_values, queries, keys, values, query_norm, key_norm, frequencies;
};

void expectClose(const std::vector<float>& expected, const std::vector<float>& found, double tolerance) {
    ASSERT_EQ(expected.size(), found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (expected[i] == found[i]) continue;
        ASSERT_NEAR(expected[i], found[i], tolerance * (1.0 + std::abs(static_cast<double>(expected[i]))))
            << "element " << i;
    }
}

class CudaAttention : public OnEveryCudaCase {
protected:
    /// Shares of scores up to about 30 that are off by their rounding, over values of a normal distribution.
    static constexpr double kTolerance = 2e-5;

    void compare(const AttentionData& data, bool norms, bool alone) {
        const AttentionData::Result expected = data.expected(norms);
        const AttentionData::Result found = data.run(*m_device, norms, alone);
        expectClose(expected.attended, found.attended, kTolerance);
        expectClose(expected.keys, found.keys, 1e-6);
        EXPECT_EQ(expected.values, found.values);
    }
};
MIXO_ON_EVERY_CUDA_CASE(CudaAttention);

TEST_P(CudaAttention, AgreesWithTheOracleAtLengthsAroundPagesTilesAndParts) {
    for (const std::int64_t position : {0, 1, 14, 15, 16, 62, 63, 64, 65, 127, 128, 500}) {
        SCOPED_TRACE(testing::Message() << position + 1 << " positions");
        ASSERT_NO_FATAL_FAILURE(compare(AttentionData(4, 2, 8, {position}, m_random), true, true));
    }
}

TEST_P(CudaAttention, AgreesWithTheOracleForAnyHeads) {
    for (const auto& [heads, kv_heads] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {8, 1}, {6, 2}, {5, 5}}) {
        for (const std::int64_t head_dim : {2, 6, 10, 32, 100, 128}) {
            SCOPED_TRACE(testing::Message() << heads << " heads on " << kv_heads << " of " << head_dim);
            ASSERT_NO_FATAL_FAILURE(compare(AttentionData(heads, kv_heads, head_dim, {70}, m_random), true, true));
        }
    }
    ASSERT_NO_FATAL_FAILURE(compare(AttentionData(4, 2, 8, {70}, m_random), false, true));
}

TEST_P(CudaAttention, RowsOfOneSequenceSeeOneAnother) {
    std::vector<std::int64_t> positions(19);
    std::iota(positions.begin(), positions.end(), 55);
    ASSERT_NO_FATAL_FAILURE(compare(AttentionData(4, 2, 8, positions, m_random), true, false));
}

TEST_P(CudaAttention, AgreesWithTheOracleOverLongContexts) {
    ASSERT_NO_FATAL_FAILURE(compare(AttentionData(2, 1, 4, {2047}, m_random), true, true));  // the last one-tile part
    ASSERT_NO_FATAL_FAILURE(compare(AttentionData(2, 1, 4, {2048}, m_random), true, true));
    ASSERT_NO_FATAL_FAILURE(compare(AttentionData(2, 1, 4, {4999}, m_random), true, true));
}

TEST_P(CudaAttention, RowsKeepTheirBitsInAnyBatchAndGrid) {
    const AttentionData data(4, 2, 8, {3, 64, 200, 201, 202}, m_random);
    const auto one_block = makeDevice(cudaCases().front());
    const AttentionData::Result together = data.run(*m_device, true, false);
    EXPECT_EQ(together.attended, data.run(*one_block, true, false).attended);
    for (std::size_t row = 0; row < data.positions.size(); ++row) {
        AttentionData single = data;
        single.cache_keys = together.keys;
        single.cache_values = together.values;
        single.positions = {data.positions[row]};
        const auto part = [&](std::vector<float>& values, std::int64_t width) {
            const auto begin = values.begin() + static_cast<std::int64_t>(row) * width;
            values = std::vector<float>(begin, begin + width);
        };
        part(single.queries, 4 * 8);
        part(single.keys, 2 * 8);
        part(single.values, 2 * 8);
        const AttentionData::Result alone = single.run(*m_device, true, true);
        EXPECT_TRUE(sameBits(alone.attended.data(), together.attended.data() + row * 32, 32)) << "row " << row;
    }
}

TEST_P(CudaAttention, RowsKeepTheirBitsWhereABlockTakesAllPartsOfOne) {
    const std::int32_t blocks = m_device->info().multiprocessors;
    std::vector<std::int64_t> positions;
    for (std::int64_t row = 0; row < blocks / 2 + 5; ++row) positions.push_back((row * 577 + 3) % 2600);
    const AttentionData data(4, 2, 8, positions, m_random);
    const AttentionData::Result in_parts = data.run(*m_device, true, false);
    const AttentionData::Result whole = data.run(*m_device, true, false, blocks);
    EXPECT_EQ(in_parts.attended, whole.attended);
    EXPECT_EQ(in_parts.keys, whole.keys);
}

TEST_P(CudaAttention, NanInOneKeyReachesTheRowsThatSeeIt) {
    AttentionData data(1, 1, 8, {19, 39}, m_random);
    const std::int64_t page = data.pages[25 / kKvPageTokens];
    const std::int64_t at = (page * kKvPageTokens + 25 % kKvPageTokens) * 8 + 3;
    data.cache_keys[static_cast<std::size_t>(at)] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> found = data.run(*m_device, true, false).attended;
    for (std::size_t i = 0; i < 8; ++i) {
        EXPECT_FALSE(std::isnan(found[i]));
        EXPECT_TRUE(std::isnan(found[8 + i]));
    }
}

}  // namespace
}  // namespace mixoscope::kernels::test
