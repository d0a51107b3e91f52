// The experts of the CUDA kernels against the oracle: gate and up projection, SwiGLU, down projection and weighted sum.
#include <algorithm>
#include <numeric>

#include "kernels/cuda_step_test.h"

namespace mixoscope::kernels::test {
namespace {

struct Experts {
    Experts(DataType type, std::int64_t count, std::int64_t hidden_size, std::int64_t intermediate_size,
            std::mt19937& random)
        : hidden(hidden_size), intermediate(intermediate_size), norm(randomFloats(hidden, random)) {
        for (std::int64_t i = 0; i < count; ++i) {
            gate.emplace_back(type, intermediate, hidden, random);
            up.emplace_back(type, intermediate, hidden, random);
            down.emplace_back(type, hidden, intermediate, random);
        }
        for (std::size_t i = 0; i < gate.size(); ++i)
            matrices.push_back({gate[i].matrix(), up[i].matrix(), down[i].matrix()});
    }

    std::int64_t hidden;
    std::int64_t intermediate;
    std::vector<float> norm;
    std::vector<Weights> gate, up, down;
    std::vector<ExpertMatrices> matrices;
};

struct Choice {
    std::int64_t slots = 0;
    std::vector<std::int32_t> ids;
    std::vector<float> weights;
};

/// `count` distinct experts a row, unused slots last.
Choice randomChoice(std::int64_t rows, std::int64_t experts, std::int64_t count, std::int64_t slots,
                    std::mt19937& random) {
    Choice choice{slots, std::vector<std::int32_t>(static_cast<std::size_t>(rows * slots), -1),
                  std::vector<float>(static_cast<std::size_t>(rows * slots), 0.0F)};
    std::vector<std::int32_t> all(static_cast<std::size_t>(experts));
    std::iota(all.begin(), all.end(), 0);
    for (std::int64_t row = 0; row < rows; ++row) {
        std::shuffle(all.begin(), all.end(), random);
        for (std::int64_t slot = 0; slot < count; ++slot) {
            choice.ids[static_cast<std::size_t>(row * slots + slot)] = all[static_cast<std::size_t>(slot)];
            choice.weights[static_cast<std::size_t>(row * slots + slot)] =
                std::uniform_real_distribution<float>(0.05F, 1.0F)(random);
        }
    }
    return choice;
}

/// Rows and entries that a block works on at once; 0: what fits.
struct Tiles {
    std::int32_t rows = 0;
    std::int32_t entries = 0;
};

class CudaExperts : public OnEveryCudaCase {
protected:
    static std::vector<float> run(cuda::Device& device, const Experts& layer, const Choice& choice,
                                  const std::vector<float>& x, bool dense, Tiles tiles) {
        const auto rows = static_cast<std::int64_t>(x.size()) / layer.hidden;
        PhaseRun phase(device);
        phase.row_tile = tiles.rows;
        phase.entry_capacity = tiles.entries;
        phase.step.hidden_size = static_cast<std::int32_t>(layer.hidden);
        phase.step.heads = phase.step.kv_heads = 1;
        phase.step.head_dim = 2;
        phase.step.norm_epsilon = 1e-6F;
        phase.step.experts = static_cast<std::int32_t>(layer.matrices.size());
        phase.step.slots = static_cast<std::int32_t>(choice.slots);
        phase.step.moe_layers = 1;
        phase.step.hidden = phase.arrays.put(x);
        phase.step.expert_ids = phase.arrays.put(choice.ids);
        phase.step.expert_weights = phase.arrays.put(choice.weights);
        // What nobody writes stays NaN.
        phase.step.expert_hidden = phase.arrays.put(
            std::vector<float>(static_cast<std::size_t>(rows * choice.slots * cuda::paddedColumns(layer.intermediate)),
                               std::numeric_limits<float>::quiet_NaN()));
        std::vector<cuda::DeviceExpert> experts;
        for (const ExpertMatrices& expert : layer.matrices)
            experts.push_back(
                {phase.arrays.put(expert.gate), phase.arrays.put(expert.up), phase.arrays.put(expert.down)});
        phase.layer.experts = phase.arrays.put(experts);
        phase.layer.intermediate = static_cast<std::int32_t>(layer.intermediate);
        phase.layer.moe_layer = dense ? -1 : 0;
        phase.layer.post_attention_norm = phase.arrays.put(layer.norm);
        phase.run({{cuda::StepPhase::kGateUp, 0}, {cuda::StepPhase::kDown, 0}}, plainRows(rows),
                  cuda::StepLaunch::kTogether);
        return phase.arrays.get(phase.step.hidden, rows * layer.hidden);
    }

    void compare(const Experts& layer, const Choice& choice, std::int64_t rows, bool dense = false, Tiles tiles = {}) {
        const std::vector<float> x = randomFloats(rows * layer.hidden, m_random);
        std::vector<float> normed(x.size());
        std::vector<float> expected = x;
        const auto reference = makeReferenceBackend();
        reference->rmsNorm(rowsOf(x, layer.hidden), layer.norm, 1e-6F, rowsOf(normed, layer.hidden));
        if (dense) {
            reference->swiglu(rowsOf(normed, layer.hidden), layer.matrices.front(), rowsOf(expected, layer.hidden));
        } else {
            reference->experts(rowsOf(normed, layer.hidden), layer.matrices,
                               {choice.ids.data(), choice.weights.data(), choice.slots},
                               rowsOf(expected, layer.hidden));
        }
        const std::vector<float> found = run(*m_device, layer, choice, x, dense, tiles);
        // Products of three matrices of norm-preserving scale: the errors of f32 sums of up to some hundred terms, for
        // each expert of a row.
        const double tolerance = 64.0 * kEpsilon * std::sqrt(static_cast<double>(choice.slots));
        for (std::size_t i = 0; i < found.size(); ++i) {
            const double scale =
                1.0 + std::abs(static_cast<double>(expected[i] - x[i])) + std::abs(static_cast<double>(x[i]));
            ASSERT_NEAR(expected[i], found[i], tolerance * scale) << "element " << i;
        }
    }
};
MIXO_ON_EVERY_CUDA_CASE(CudaExperts);

TEST_P(CudaExperts, AgreesWithTheOracleForAnyTypesRowsAndColumns) {
    for (const DataType type : kAllTypes) {
        for (const auto& [hidden, intermediate] : {std::pair<std::int64_t, std::int64_t>{33, 17}, {8, 40}, {64, 8}}) {
            const Experts layer(type, 6, hidden, intermediate, m_random);
            for (const std::int64_t rows : {1, 2, 7, 33}) {
                SCOPED_TRACE(testing::Message() << "type " << static_cast<int>(type) << ", " << hidden << " x "
                                                << intermediate << ", " << rows << " rows");
                ASSERT_NO_FATAL_FAILURE(compare(layer, randomChoice(rows, 6, 2, 3, m_random), rows));
            }
        }
    }
}

TEST_P(CudaExperts, AgreesWithTheOracleForEveryCount) {
    const Experts layer(DataType::kBF16, 128, 16, 8, m_random);
    for (const std::int64_t count : {1, 2, 3, 8, 31, 64, 127, 128}) {
        SCOPED_TRACE(testing::Message() << "k = " << count);
        ASSERT_NO_FATAL_FAILURE(compare(layer, randomChoice(3, 128, count, count, m_random), 3));
    }
}

TEST_P(CudaExperts, AllRowsOnOneExpertAndRowsWithoutAny) {
    const Experts layer(DataType::kF32, 5, 16, 12, m_random);
    Choice one{1, std::vector<std::int32_t>(19, 3), std::vector<float>(19, 0.5F)};
    ASSERT_NO_FATAL_FAILURE(compare(layer, one, 19));
    one.ids[4] = one.ids[18] = -1;
    one.weights[4] = one.weights[18] = 0.0F;
    ASSERT_NO_FATAL_FAILURE(compare(layer, one, 19));
    const Choice none{2, std::vector<std::int32_t>(6, -1), std::vector<float>(6, 0.0F)};
    const std::vector<float> x = randomFloats(3 * 16, m_random);
    EXPECT_EQ(run(*m_device, layer, none, x, false, {}), x);
}

TEST_P(CudaExperts, SelectionsThatDoNotRunAreLeftOut) {
    const Experts layer(DataType::kF32, 4, 16, 12, m_random);
    // Dropped selections are written −2 − expert and come after those that run.
    ASSERT_NO_FATAL_FAILURE(compare(layer, {3, {2, -2 - 1, -1, -2 - 3, -1, -1}, {0.5F, 0, 0, 0, 0, 0}}, 2));
}

TEST_P(CudaExperts, DenseLayerIsOneExpertForEveryRow) {
    const Experts layer(DataType::kBF16, 1, 40, 52, m_random);
    for (const std::int64_t rows : {1, 2, 11}) {
        SCOPED_TRACE(testing::Message() << rows << " rows");
        ASSERT_NO_FATAL_FAILURE(
            compare(layer, {1, std::vector<std::int32_t>(11, -1), std::vector<float>(11, 0.0F)}, rows, true));
    }
}

TEST_P(CudaExperts, RowsKeepTheirBitsInAnyBatchTileAndGrid) {
    const std::int64_t hidden = 48;
    const std::int64_t rows = 21;
    const Experts layer(DataType::kBF16, 4, hidden, 24, m_random);  // few, so that many rows share one
    const std::vector<float> x = randomFloats(rows * hidden, m_random);
    const Choice choice = randomChoice(rows, 4, 3, 3, m_random);
    const auto one_block = makeDevice(cudaCases().front());
    std::vector<float> alone;
    for (std::int64_t row = 0; row < rows; ++row) {
        const Choice single{3,
                            {choice.ids.begin() + row * 3, choice.ids.begin() + row * 3 + 3},
                            {choice.weights.begin() + row * 3, choice.weights.begin() + row * 3 + 3}};
        const std::vector<float> row_x(x.begin() + row * hidden, x.begin() + (row + 1) * hidden);
        const std::vector<float> found = run(*one_block, layer, single, row_x, false, {});
        alone.insert(alone.end(), found.begin(), found.end());
    }
    for (const Tiles tiles : {Tiles{8, 256}, Tiles{8, 6}, Tiles{2, 256}, Tiles{1, 3}})
        EXPECT_TRUE(run(*m_device, layer, choice, x, false, tiles) == alone)
            << tiles.rows << " rows, " << tiles.entries << " entries";
}

}  // namespace
}  // namespace mixoscope::kernels::test
