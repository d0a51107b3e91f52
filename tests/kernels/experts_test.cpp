// Mixture of experts, dense SwiGLU and the router's softmax of the CPU back end against the oracle.
#include <algorithm>
#include <numeric>

#include "kernels/kernel_cases_test.h"

namespace mixoscope::kernels::test {
namespace {

struct Types {
    DataType gate;
    DataType up;
    DataType down;
};

struct Layer {
    /// The types of each expert.
    Layer(const std::vector<Types>& types, std::int64_t hidden_size, std::int64_t intermediate_size,
          std::mt19937& random)
        : hidden(hidden_size), intermediate(intermediate_size) {
        for (const Types& type : types) {
            gate.emplace_back(type.gate, intermediate, hidden, random);
            up.emplace_back(type.up, intermediate, hidden, random);
            down.emplace_back(type.down, hidden, intermediate, random);
        }
        for (std::size_t i = 0; i < gate.size(); ++i) {
            experts.push_back({gate[i].matrix(), up[i].matrix(), down[i].matrix()});
        }
    }
    Layer(DataType type, std::size_t count, std::int64_t hidden_size, std::int64_t intermediate_size,
          std::mt19937& random)
        : Layer(std::vector<Types>(count, {type, type, type}), hidden_size, intermediate_size, random) {}
    std::int64_t hidden;
    std::int64_t intermediate;
    std::vector<Weights> gate, up, down;
    std::vector<ExpertMatrices> experts;

    /// Adds to `bounds` (hidden) how far weight · expert(x) may be off in f32: the errors of gate and up pass through
    /// the product silu(gate) * up (|silu'| ≤ 1.1) and add to that of the last dot product.
    void addBounds(std::size_t expert, const float* x, double weight, std::vector<double>& bounds) const {
        const double x_norm = norm(x, hidden);
        std::vector<double> h(static_cast<std::size_t>(intermediate));
        std::vector<double> h_error(h.size());
        double h_norm = 0.0;
        for (std::int64_t i = 0; i < intermediate; ++i) {
            double g = 0.0;
            double u = 0.0;
            for (std::int64_t j = 0; j < hidden; ++j) {
                g += gate[expert].at(i, j) * static_cast<double>(x[j]);
                u += up[expert].at(i, j) * static_cast<double>(x[j]);
            }
            const double silu = g / (1.0 + std::exp(-g));
            const auto at = static_cast<std::size_t>(i);
            h[at] = silu * u;
            h_error[at] = 1.1 * dotTolerance(hidden, x_norm, gate[expert].rowNorm(i)) * std::abs(u) +
                          std::abs(silu) * dotTolerance(hidden, x_norm, up[expert].rowNorm(i)) +
                          8.0 * kEpsilon * std::abs(h[at]);
            h_norm += h[at] * h[at];
        }
        h_norm = std::sqrt(h_norm);
        for (std::int64_t o = 0; o < hidden; ++o) {
            double error = dotTolerance(intermediate, h_norm, down[expert].rowNorm(o));
            for (std::int64_t i = 0; i < intermediate; ++i) {
                error += h_error[static_cast<std::size_t>(i)] * std::abs(down[expert].at(o, i));
            }
            bounds[static_cast<std::size_t>(o)] += std::abs(weight) * error;
        }
    }
};

struct Choice {
    std::vector<std::int32_t> ids;
    std::vector<float> weights;
    std::int64_t slots;
    ExpertChoice view(std::int64_t row = 0) const {
        return {ids.data() + row * slots, weights.data() + row * slots, slots};
    }
};

/// k distinct experts a row out of `experts`, in random order, the remaining slots unused.
Choice randomChoice(std::int64_t rows, std::int64_t experts, std::int64_t k, std::int64_t slots, std::mt19937& random) {
    Choice choice{std::vector<std::int32_t>(static_cast<std::size_t>(rows * slots), -1),
                  std::vector<float>(static_cast<std::size_t>(rows * slots), 0.0F), slots};
    std::vector<std::int32_t> all(static_cast<std::size_t>(experts));
    std::iota(all.begin(), all.end(), 0);
    for (std::int64_t row = 0; row < rows; ++row) {
        std::shuffle(all.begin(), all.end(), random);
        for (std::int64_t slot = 0; slot < k; ++slot) {
            choice.ids[static_cast<std::size_t>(row * slots + slot)] = all[static_cast<std::size_t>(slot)];
            choice.weights[static_cast<std::size_t>(row * slots + slot)] =
                std::uniform_real_distribution<float>(0.05F, 1.0F)(random);
        }
    }
    return choice;
}

void compare(const Layer& layer, const Choice& choice, const std::vector<float>& x, int threads, std::mt19937& random) {
    const std::int64_t rows = static_cast<std::int64_t>(x.size()) / layer.hidden;
    std::vector<float> expected = randomFloats(rows * layer.hidden, random);
    const std::vector<float> before = expected;
    std::vector<float> found = expected;
    makeReferenceBackend()->experts(rowsOf(x, layer.hidden), layer.experts, choice.view(),
                                    rowsOf(expected, layer.hidden));
    makeCpuBackend(threads)->experts(rowsOf(x, layer.hidden), layer.experts, choice.view(),
                                     rowsOf(found, layer.hidden));
    for (std::int64_t row = 0; row < rows; ++row) {
        std::vector<double> bounds(static_cast<std::size_t>(layer.hidden), 0.0);
        for (std::int64_t slot = 0; slot < choice.slots; ++slot) {
            const auto entry = static_cast<std::size_t>(row * choice.slots + slot);
            if (choice.ids[entry] < 0) continue;
            layer.addBounds(static_cast<std::size_t>(choice.ids[entry]), x.data() + row * layer.hidden,
                            static_cast<double>(choice.weights[entry]), bounds);
        }
        for (std::int64_t o = 0; o < layer.hidden; ++o) {
            const auto at = static_cast<std::size_t>(row * layer.hidden + o);
            const double sums = std::abs(static_cast<double>(before[at])) + std::abs(static_cast<double>(expected[at]));
            const double tolerance =
                bounds[static_cast<std::size_t>(o)] + kEpsilon * static_cast<double>(choice.slots + 1) * (1.0 + sums);
            ASSERT_NEAR(expected[at], found[at], tolerance) << "row " << row << ", output " << o;
        }
    }
}

class CpuExperts : public OnEveryInstructionSet {};
MIXO_ON_EVERY_INSTRUCTION_SET(CpuExperts);

TEST_P(CpuExperts, AgreesWithTheOracleForAnyRowsAndTypes) {
    for (const DataType type : kAllTypes) {
        const Layer layer(type, 6, 33, 17, m_random);
        for (const std::int64_t rows : {1, 2, 7, 33, 130}) {
            SCOPED_TRACE(testing::Message() << "type " << static_cast<int>(type) << ", " << rows << " rows");
            compare(layer, randomChoice(rows, 6, 2, 3, m_random), randomFloats(rows * 33, m_random), 2, m_random);
        }
    }
}

TEST_P(CpuExperts, AgreesWithTheOracleWhereMatricesDifferInType) {
    const std::vector<Types> types{{DataType::kF16, DataType::kF16, DataType::kF32},
                                   {DataType::kF32, DataType::kBF16, DataType::kBF16},
                                   {DataType::kBF16, DataType::kF16, DataType::kBF16}};
    const Layer layer(types, 1400, 70, m_random);  // several chunks
    compare(layer, randomChoice(17, 3, 2, 2, m_random), randomFloats(17 * 1400, m_random), 2, m_random);
}

TEST_P(CpuExperts, AgreesWithTheOracleForAnyCountOfExperts) {
    const Layer layer(DataType::kBF16, 9, 24, 20, m_random);
    for (std::int64_t k = 1; k <= 9; ++k) {
        SCOPED_TRACE(testing::Message() << "k = " << k);
        compare(layer, randomChoice(5, 9, k, 9, m_random), randomFloats(5 * 24, m_random), 2, m_random);
    }
}

TEST_P(CpuExperts, AllRowsOnOneExpertAndRowsWithoutAny) {
    const Layer layer(DataType::kF32, 5, 16, 12, m_random);
    const std::vector<float> x = randomFloats(13 * 16, m_random);
    Choice one{std::vector<std::int32_t>(13, 3), std::vector<float>(13, 0.5F), 1};
    compare(layer, one, x, 1, m_random);
    one.ids[4] = one.ids[12] = -1;
    one.weights[4] = one.weights[12] = 0.0F;
    compare(layer, one, x, 1, m_random);

    std::vector<float> out = randomFloats(13 * 16, m_random);
    const std::vector<float> before = out;
    const Choice none{std::vector<std::int32_t>(13, -1), std::vector<float>(13, 0.0F), 1};
    makeCpuBackend(1)->experts(rowsOf(x, 16), layer.experts, none.view(), rowsOf(out, 16));
    EXPECT_EQ(out, before);
}

TEST_P(CpuExperts, NeverReadsAnExpertThatNobodyChose) {
    Layer layer(DataType::kBF16, 4, 16, 12, m_random);
    for (const std::size_t unused : {0U, 2U}) {  // any read would crash
        layer.experts[unused].gate.data = layer.experts[unused].up.data = layer.experts[unused].down.data = nullptr;
    }
    const Choice choice{{3, 1, 1, -1}, {0.75F, 0.25F, 1.0F, 0.0F}, 2};
    const std::vector<float> x = randomFloats(2 * 16, m_random);
    compare(layer, choice, x, 2, m_random);
}

TEST_P(CpuExperts, RowsKeepTheirBitsInAnyBatchOnAnyThreads) {
    const std::int64_t hidden = 100;
    const std::int64_t rows = 29;
    const Layer layer(DataType::kBF16, 7, hidden, 90, m_random);
    const std::vector<float> x = randomFloats(rows * hidden, m_random);
    const Choice choice = randomChoice(rows, 7, 4, 5, m_random);
    std::vector<float> alone(x.size(), 0.25F);
    const auto one = makeCpuBackend(1);
    for (std::int64_t row = 0; row < rows; ++row) {
        one->experts({x.data() + row * hidden, 1, hidden}, layer.experts, choice.view(row),
                     {alone.data() + row * hidden, 1, hidden});
    }
    for (const int threads : {1, 2, 3}) {
        const auto cpu = makeCpuBackend(threads);
        for (const std::int64_t batch : {2, 5, 29}) {
            std::vector<float> together(x.size(), 0.25F);
            for (std::int64_t first = 0; first < rows; first += batch) {
                const std::int64_t count = std::min(batch, rows - first);
                cpu->experts({x.data() + first * hidden, count, hidden}, layer.experts, choice.view(first),
                             {together.data() + first * hidden, count, hidden});
            }
            EXPECT_TRUE(sameBits(alone.data(), together.data(), rows * hidden))
                << batch << " rows, " << threads << " threads";
        }
    }
}

TEST_P(CpuExperts, LongBatchesThatAreSplitKeepTheirBits) {
    const Layer layer(DataType::kF32, 3, 4, 4, m_random);
    const std::int64_t rows = 3000;  // × 2 slots: more entries than are worked on at once
    const std::vector<float> x = randomFloats(rows * 4, m_random);
    const Choice choice = randomChoice(rows, 3, 2, 2, m_random);
    const auto cpu = makeCpuBackend(2);
    std::vector<float> together(x.size(), 0.0F);
    cpu->experts(rowsOf(x, 4), layer.experts, choice.view(), rowsOf(together, 4));
    std::vector<float> alone(x.size(), 0.0F);
    for (std::int64_t row = 0; row < rows; ++row) {
        cpu->experts({x.data() + row * 4, 1, 4}, layer.experts, choice.view(row), {alone.data() + row * 4, 1, 4});
    }
    EXPECT_TRUE(sameBits(alone.data(), together.data(), rows * 4));
}

TEST_P(CpuExperts, DenseLayerIsOneExpertOfWeightOne) {
    const Layer layer(DataType::kF16, 1, 40, 52, m_random);
    const std::vector<float> x = randomFloats(7 * 40, m_random);
    const std::vector<float> before = randomFloats(7 * 40, m_random);
    const Choice choice{std::vector<std::int32_t>(7, 0), std::vector<float>(7, 1.0F), 1};
    compare(layer, choice, x, 2, m_random);
    std::vector<float> mixed = before;
    std::vector<float> dense = before;
    const auto cpu = makeCpuBackend(2);
    cpu->experts(rowsOf(x, 40), layer.experts, choice.view(), rowsOf(mixed, 40));
    cpu->swiglu(rowsOf(x, 40), layer.experts.front(), rowsOf(dense, 40));
    EXPECT_TRUE(sameBits(mixed.data(), dense.data(), 7 * 40));
}

TEST_P(CpuExperts, RowsWithoutAnExpertKeepTheirOutput) {
    const Layer layer(DataType::kF32, 4, 16, 16, m_random);
    const std::vector<float> x = randomFloats(3 * 16, m_random);
    const std::vector<float> before = randomFloats(3 * 16, m_random);
    const auto cpu = makeCpuBackend(2);
    for (const std::int64_t slots : {0, 2}) {
        const auto entries = static_cast<std::size_t>(3 * slots);
        const Choice nobody{std::vector<std::int32_t>(entries, -1), std::vector<float>(entries, 1.0F), slots};
        std::vector<float> out = before;
        cpu->experts(rowsOf(x, 16), layer.experts, nobody.view(), rowsOf(out, 16));
        EXPECT_EQ(out, before) << slots << " slots";
    }
}

TEST_P(CpuExperts, NanInAWeightReachesTheOutput) {
    const Layer layer(DataType::kF32, 1, 16, 16, m_random);
    std::vector<float> x = randomFloats(16, m_random);
    x[5] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> out(16, 0.0F);
    makeCpuBackend(1)->swiglu(rowsOf(x, 16), layer.experts.front(), rowsOf(out, 16));
    for (const float y : out) EXPECT_TRUE(std::isnan(y));
}

class RouterProbabilities : public testing::TestWithParam<const char*> {
protected:
    std::unique_ptr<Backend> makeBackend() const {
        return GetParam() == std::string("reference") ? makeReferenceBackend() : makeCpuBackend(2);
    }
};
INSTANTIATE_TEST_SUITE_P(All, RouterProbabilities, testing::Values("reference", "cpu"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(RouterProbabilities, AreTheSoftmax) {
    std::mt19937 random(3);
    for (const std::int64_t experts : {1, 2, 60, 128, 512}) {
        const std::vector<float> logits = randomFloats(3 * experts, random, 4.0F);
        std::vector<float> found(logits.size());
        makeBackend()->routerProbabilities(rowsOf(logits, experts), rowsOf(found, experts));
        for (std::int64_t row = 0; row < 3; ++row) {
            double sum = 0.0;
            for (std::int64_t i = 0; i < experts; ++i)
                sum += std::exp(static_cast<double>(logits[static_cast<std::size_t>(row * experts + i)]));
            for (std::int64_t i = 0; i < experts; ++i) {
                const auto at = static_cast<std::size_t>(row * experts + i);
                const double expected = std::exp(static_cast<double>(logits[at])) / sum;
                EXPECT_NEAR(found[at], expected, 16 * kEpsilon * expected);
            }
        }
    }
}

TEST_P(RouterProbabilities, SurviveNanAndInfinity) {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const std::vector<float> logits{kNan,       1.0F, kNan,       1.0F,  // NaN gets nothing
                                    kInfinity,  0.0F, kInfinity,  0.0F,  // infinities share
                                    kNan,       kNan, kNan,       kNan,  // nothing to share
                                    -kInfinity, 0.0F, -kInfinity, kNan, 1e38F,      -1e38F,
                                    1e38F,      0.0F, -kInfinity, kNan, -kInfinity, -kInfinity};
    const std::vector<float> expected{0, 0.5F, 0, 0.5F, 0.5F, 0, 0.5F, 0, 0, 0, 0, 0,
                                      0, 1,    0, 0,    0.5F, 0, 0.5F, 0, 0, 0, 0, 0};
    std::vector<float> found(logits.size(), 9.0F);
    makeBackend()->routerProbabilities(rowsOf(logits, 4), rowsOf(found, 4));
    EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace mixoscope::kernels::test
