// The choice of experts on the CUDA device: for the same logits the same bits as the CPU's.
#include <numeric>

#include "kernels/cuda_step_test.h"
#include "kernels/router.h"

namespace mixoscope::kernels::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class CudaRouter : public OnEveryCudaCase {
protected:
    /// Rows of logits, each with the `count` likeliest of its experts.
    void compare(const std::vector<std::vector<float>>& logits, std::int16_t count, bool renormalise) {
        const auto rows = static_cast<std::int64_t>(logits.size());
        const auto experts = static_cast<std::int64_t>(logits.front().size());
        const std::int64_t slots = std::min<std::int64_t>(count, experts) + 1;
        std::vector<float> flat;
        for (const auto& row : logits) flat.insert(flat.end(), row.begin(), row.end());

        PhaseRun phase(*m_device);
        phase.step.hidden_size = 4;
        phase.step.heads = phase.step.kv_heads = 1;
        phase.step.head_dim = 2;
        phase.step.experts = static_cast<std::int32_t>(experts);
        phase.step.slots = static_cast<std::int32_t>(slots);
        phase.step.moe_layers = 1;
        phase.layer.moe_layer = 0;
        phase.step.router_logits = phase.arrays.put(flat);
        phase.step.expert_ids = phase.arrays.make<std::int32_t>(rows * slots);
        phase.step.expert_weights = phase.arrays.make<float>(rows * slots);
        phase.step.trace_ids = phase.arrays.make<std::int16_t>(rows * slots);
        phase.step.trace_weights = phase.arrays.make<float>(rows * slots);
        phase.step.trace_logits = phase.arrays.make<float>(rows * experts);
        phase.step.trace_probabilities = phase.arrays.make<float>(rows * experts);
        StepRows step_rows = plainRows(rows);
        step_rows.selection.assign(logits.size(), {count, static_cast<std::int16_t>(renormalise ? 1 : 0)});
        phase.run(cuda::StepPhase::kRoute, step_rows);

        std::vector<float> probabilities(flat.size());
        makeCpuBackend(1)->routerProbabilities(rowsOf(flat, experts), rowsOf(probabilities, experts));
        const auto found_probabilities = phase.arrays.get(phase.step.trace_probabilities, rows * experts);
        const auto ids = phase.arrays.get(phase.step.expert_ids, rows * slots);
        const auto weights = phase.arrays.get(phase.step.expert_weights, rows * slots);
        EXPECT_TRUE(sameBits(probabilities.data(), found_probabilities.data(), rows * experts));
        const auto found_logits = phase.arrays.get(phase.step.trace_logits, rows * experts);
        EXPECT_TRUE(sameBits(flat.data(), found_logits.data(), rows * experts));
        EXPECT_EQ(phase.arrays.get(phase.step.trace_weights, rows * slots), weights);
        const auto trace_ids = phase.arrays.get(phase.step.trace_ids, rows * slots);
        for (std::int64_t row = 0; row < rows; ++row) {
            std::vector<std::int32_t> expected_ids(static_cast<std::size_t>(slots));
            std::vector<float> expected_weights(static_cast<std::size_t>(slots));
            selectTopK(std::span(probabilities)
                           .subspan(static_cast<std::size_t>(row * experts), static_cast<std::size_t>(experts)),
                       static_cast<int>(std::min<std::int64_t>(count, experts)),
                       renormalise ? Renormalise::kYes : Renormalise::kNo, expected_ids, expected_weights);
            for (std::int64_t slot = 0; slot < slots; ++slot) {
                const auto at = static_cast<std::size_t>(row * slots + slot);
                ASSERT_EQ(expected_ids[static_cast<std::size_t>(slot)], ids[at]) << "row " << row << ", slot " << slot;
                ASSERT_EQ(expected_ids[static_cast<std::size_t>(slot)], trace_ids[at]);
                ASSERT_TRUE(sameBits(&expected_weights[static_cast<std::size_t>(slot)], &weights[at], 1))
                    << "row " << row << ", slot " << slot;
            }
        }
    }
    std::vector<std::vector<float>> randomRows(std::int64_t rows, std::int64_t experts) {
        std::vector<std::vector<float>> logits;
        for (std::int64_t row = 0; row < rows; ++row) logits.push_back(randomFloats(experts, m_random, 3.0F));
        return logits;
    }
};
MIXO_ON_EVERY_CUDA_CASE(CudaRouter);

TEST_P(CudaRouter, HasTheBitsOfTheCpuForEveryCount) {
    for (std::int16_t count = 1; count <= 128; count = static_cast<std::int16_t>(count < 9 ? count + 1 : count * 2)) {
        SCOPED_TRACE(testing::Message() << "k = " << count);
        compare(randomRows(3, 128), count, count % 2 == 0);
    }
    compare(randomRows(2, 128), 127, true);
    compare(randomRows(2, 128), 128, true);
}

TEST_P(CudaRouter, HasTheBitsOfTheCpuForAnyExperts) {
    for (const std::int64_t experts : {1, 2, 5, 31, 64, 100, 257}) {
        SCOPED_TRACE(testing::Message() << experts << " experts");
        compare(randomRows(5, experts), 2, true);
    }
}

TEST_P(CudaRouter, TiesGoToTheLowerId) {
    compare({{1.0F, 2.0F, 2.0F, 2.0F, 0.0F}, {0.0F, 0.0F, 0.0F, 0.0F, 0.0F}}, 2, true);
}

TEST_P(CudaRouter, NanAndInfinity) {
    compare({{kNan, 1.0F, 0.5F, kNan, 2.0F},
             {kNan, kNan, kNan, kNan, kNan},
             {-kInfinity, -kInfinity, -kInfinity, -kInfinity, -kInfinity},
             {kInfinity, 1.0F, kInfinity, -kInfinity, 0.0F},
             {-1000.0F, 1000.0F, 0.0F, 999.0F, 950.0F}},
            3, true);
}

}  // namespace
}  // namespace mixoscope::kernels::test
