// RMSNorm and matrix products of the CUDA kernels against the oracle: the phases that project rows.
#include "kernels/cuda_step_test.h"

namespace mixoscope::kernels::test {
namespace {

class CudaProjection : public OnEveryCudaCase {};
MIXO_ON_EVERY_CUDA_CASE(CudaProjection);

struct QueryKeyValue {
    std::vector<float> queries, keys, values;
    bool operator==(const QueryKeyValue&) const = default;
};

/// A layer's input norm and projections with biases.
struct Projections {
    Projections(DataType type, std::int64_t hidden_size, std::int64_t query_rows, std::int64_t key_rows,
                std::mt19937& random)
        : hidden(hidden_size),
          q(type, query_rows, hidden, random),
          k(type, key_rows, hidden, random),
          v(type, key_rows, hidden, random),
          norm(randomFloats(hidden, random)),
          q_bias(randomFloats(query_rows, random)) {}

    QueryKeyValue run(cuda::Device& device, const std::vector<float>& x, std::int32_t row_tile = 0) const {
        const auto rows = static_cast<std::int64_t>(x.size()) / hidden;
        PhaseRun phase(device);
        phase.row_tile = row_tile;
        phase.step.hidden_size = static_cast<std::int32_t>(hidden);
        phase.step.heads = 1;
        phase.step.kv_heads = 1;
        phase.step.head_dim = static_cast<std::int32_t>(q.matrix().rows);
        phase.step.norm_epsilon = 1e-5F;
        phase.step.hidden = phase.arrays.put(x);
        phase.layer.input_norm = phase.arrays.put(norm);
        phase.layer.q_proj = phase.arrays.put(q.matrix());
        phase.layer.k_proj = phase.arrays.put(k.matrix());
        phase.layer.v_proj = phase.arrays.put(v.matrix());
        phase.layer.q_bias = phase.arrays.put(q_bias);
        phase.step.queries = phase.arrays.make<float>(rows * q.matrix().rows);
        phase.step.keys = phase.arrays.make<float>(rows * k.matrix().rows);
        phase.step.values = phase.arrays.make<float>(rows * v.matrix().rows);
        phase.run(cuda::StepPhase::kQueryKeyValue, plainRows(rows));
        return {phase.arrays.get(phase.step.queries, rows * q.matrix().rows),
                phase.arrays.get(phase.step.keys, rows * k.matrix().rows),
                phase.arrays.get(phase.step.values, rows * v.matrix().rows)};
    }

    std::int64_t hidden;
    Weights q, k, v;
    std::vector<float> norm;
    std::vector<float> q_bias;
};

void expectProduct(const Weights& w, const std::vector<float>& bias, const std::vector<float>& x,
                   const std::vector<float>& found) {
    const std::int64_t columns = w.matrix().columns;
    const auto rows = static_cast<std::int64_t>(x.size()) / columns;
    std::vector<float> expected(found.size());
    makeReferenceBackend()->matmul(rowsOf(x, columns), w.matrix(), bias, Accumulate::kOverwrite,
                                   rowsOf(expected, w.matrix().rows));
    for (std::int64_t row = 0; row < rows; ++row) {
        const double x_norm = norm(x.data() + row * columns, columns);
        for (std::int64_t output = 0; output < w.matrix().rows; ++output) {
            const auto at = static_cast<std::size_t>(row * w.matrix().rows + output);
            // The norm's own rounding changes the input by a few units in the last place.
            const double tolerance = 2.0 * dotTolerance(columns, x_norm, w.rowNorm(output)) +
                                     8.0 * kEpsilon * (x_norm * w.rowNorm(output) + std::abs(expected[at]));
            ASSERT_NEAR(expected[at], found[at], tolerance) << "row " << row << ", output " << output;
        }
    }
}

TEST_P(CudaProjection, AgreesWithTheOracleForAnyTypesRowsAndColumns) {
    for (const DataType type : kAllTypes) {
        for (const std::int64_t hidden : {1, 7, 32, 33, 130, 520}) {
            const Projections weights(type, hidden, 19, 5, m_random);
            for (const std::int64_t rows : {1, 2, 8, 9, 19}) {
                SCOPED_TRACE(testing::Message()
                             << "type " << static_cast<int>(type) << ", " << hidden << " columns, " << rows << " rows");
                const std::vector<float> x = randomFloats(rows * hidden, m_random);
                std::vector<float> normed(x.size());
                makeReferenceBackend()->rmsNorm(rowsOf(x, hidden), weights.norm, 1e-5F, rowsOf(normed, hidden));
                const QueryKeyValue found = weights.run(*m_device, x);
                ASSERT_NO_FATAL_FAILURE(expectProduct(weights.q, weights.q_bias, normed, found.queries));
                ASSERT_NO_FATAL_FAILURE(expectProduct(weights.k, {}, normed, found.keys));
                ASSERT_NO_FATAL_FAILURE(expectProduct(weights.v, {}, normed, found.values));
            }
        }
    }
}

TEST_P(CudaProjection, RowsKeepTheirBitsInAnyBatchTileAndGrid) {
    const std::int64_t hidden = 300;
    const std::int64_t rows = 11;
    const Projections weights(DataType::kBF16, hidden, 12, 4, m_random);
    const std::vector<float> x = randomFloats(rows * hidden, m_random);
    const auto one_block = makeDevice(cudaCases().front());
    QueryKeyValue alone;
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::vector<float> single(x.begin() + row * hidden, x.begin() + (row + 1) * hidden);
        const QueryKeyValue found = weights.run(*one_block, single);
        alone.queries.insert(alone.queries.end(), found.queries.begin(), found.queries.end());
        alone.keys.insert(alone.keys.end(), found.keys.begin(), found.keys.end());
        alone.values.insert(alone.values.end(), found.values.begin(), found.values.end());
    }
    for (const std::int32_t tile : {1, 2, 4, 8}) {
        const QueryKeyValue together = weights.run(*m_device, x, tile);
        EXPECT_TRUE(together == alone) << "tiles of " << tile << " rows";
    }
}

TEST_P(CudaProjection, AddsTheAttentionOutputToTheHiddenState) {
    const std::int64_t hidden = 24;
    const std::int64_t columns = 3 * 14;
    const Weights o(DataType::kF16, hidden, columns, m_random);
    const std::vector<float> x = randomFloats(3 * columns, m_random);
    const std::vector<float> before = randomFloats(3 * hidden, m_random);
    PhaseRun phase(*m_device);
    phase.step.hidden_size = static_cast<std::int32_t>(hidden);
    phase.step.heads = 3;
    phase.step.kv_heads = 1;
    phase.step.head_dim = 14;
    phase.step.hidden = phase.arrays.put(before);
    phase.step.attended = phase.arrays.put(x);
    phase.layer.o_proj = phase.arrays.put(o.matrix());
    phase.run(cuda::StepPhase::kAttentionOutput, plainRows(3));
    const std::vector<float> found = phase.arrays.get(phase.step.hidden, 3 * hidden);
    std::vector<float> product(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) product[i] = found[i] - before[i];
    expectProduct(o, {}, x, product);
}

TEST_P(CudaProjection, LogitsOfTheRowsThatWantThem) {
    const std::int64_t hidden = 40;
    const Weights head(DataType::kF32, 23, hidden, m_random);
    const std::vector<float> x = randomFloats(6 * hidden, m_random);
    const std::vector<float> norm = randomFloats(hidden, m_random);
    PhaseRun phase(*m_device);
    phase.step.hidden_size = static_cast<std::int32_t>(hidden);
    phase.step.heads = phase.step.kv_heads = 1;
    phase.step.head_dim = 2;
    phase.step.norm_epsilon = 1e-6F;
    phase.step.hidden = phase.arrays.put(x);
    phase.step.final_norm = phase.arrays.put(norm);
    phase.step.output = phase.arrays.put(head.matrix());
    phase.step.logits = phase.arrays.make<float>(2 * 23);
    StepRows rows = plainRows(6);
    rows.wanted = {1, 5};
    phase.run(cuda::StepPhase::kLogits, rows);
    std::vector<float> wanted(x.begin() + hidden, x.begin() + 2 * hidden);
    wanted.insert(wanted.end(), x.begin() + 5 * hidden, x.end());
    std::vector<float> normed(wanted.size());
    makeReferenceBackend()->rmsNorm(rowsOf(wanted, hidden), norm, 1e-6F, rowsOf(normed, hidden));
    expectProduct(head, {}, normed, phase.arrays.get(phase.step.logits, 2 * 23));
}

TEST_P(CudaProjection, EmbedsTokensOfAnyType) {
    for (const DataType type : kAllTypes) {
        const Weights table(type, 9, 13, m_random);
        PhaseRun phase(*m_device);
        phase.step.hidden_size = 13;
        phase.step.heads = phase.step.kv_heads = 1;
        phase.step.head_dim = 2;
        phase.step.embedding = phase.arrays.put(table.matrix());
        phase.step.hidden = phase.arrays.make<float>(3 * 13);
        StepRows rows = plainRows(3);
        rows.rows[0].token = 8;
        rows.rows[1].token = 0;
        rows.rows[2].token = 8;
        phase.run(cuda::StepPhase::kEmbed, rows);
        const std::vector<float> found = phase.arrays.get(phase.step.hidden, 3 * 13);
        std::vector<float> expected(found.size());
        const std::vector<std::int32_t> ids{8, 0, 8};
        makeReferenceBackend()->embed(table.matrix(), ids, rowsOf(expected, 13));
        EXPECT_EQ(found, expected);
    }
}

}  // namespace
}  // namespace mixoscope::kernels::test
