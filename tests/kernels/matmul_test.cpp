// Matrix products, embedding and RMSNorm of the CPU back end against the oracle, and their batch invariance.
#include <array>
#include <bit>
#include <numeric>

#include "kernels/float_formats.h"
#include "kernels/kernel_cases_test.h"

namespace mixoscope::kernels::test {
namespace {

constexpr std::int64_t kRowCounts[] = {1, 2, 3, 7, 33, 130};

class CpuMatmul : public OnEveryInstructionSet {};
MIXO_ON_EVERY_INSTRUCTION_SET(CpuMatmul);

TEST_P(CpuMatmul, AgreesWithTheOracle) {
    const auto cpu = makeCpuBackend(2);
    const auto oracle = makeReferenceBackend();
    const std::pair<std::int64_t, std::int64_t> shapes[] = {{1, 1}, {5, 3}, {17, 17}, {50, 96}, {13, 129}, {301, 64}};
    for (const DataType type : kAllTypes) {
        for (const auto& [outputs, columns] : shapes) {
            const Weights w(type, outputs, columns, m_random);
            const std::vector<float> bias = randomFloats(outputs, m_random);
            for (const std::int64_t rows : kRowCounts) {
                const std::vector<float> x = randomFloats(rows * columns, m_random);
                for (const bool with_bias : {false, true}) {
                    SCOPED_TRACE(testing::Message() << "type " << static_cast<int>(type) << ", " << rows << " rows, "
                                                    << columns << " → " << outputs << ", bias " << with_bias);
                    const auto mode = with_bias ? Accumulate::kAdd : Accumulate::kOverwrite;
                    const std::span<const float> b = with_bias ? std::span(bias) : std::span<const float>();
                    std::vector<float> expected = randomFloats(rows * outputs, m_random);
                    std::vector<float> found = expected;
                    const std::vector<float> before = expected;
                    oracle->matmul(rowsOf(x, columns), w.matrix(), b, mode, rowsOf(expected, outputs));
                    cpu->matmul(rowsOf(x, columns), w.matrix(), b, mode, rowsOf(found, outputs));
                    for (std::int64_t i = 0; i < rows * outputs; ++i) {
                        const double x_norm = norm(x.data() + i / outputs * columns, columns);
                        double tolerance = dotTolerance(columns, x_norm, w.rowNorm(i % outputs));
                        if (with_bias) {
                            const auto added = std::abs(before[static_cast<std::size_t>(i)]) +
                                               std::abs(bias[static_cast<std::size_t>(i % outputs)]);
                            tolerance += 2 * kEpsilon * (static_cast<double>(added) + x_norm * w.rowNorm(i % outputs));
                        }
                        ASSERT_NEAR(expected[static_cast<std::size_t>(i)], found[static_cast<std::size_t>(i)],
                                    tolerance)
                            << "row " << i / outputs << ", output " << i % outputs;
                    }
                }
            }
        }
    }
}

TEST_P(CpuMatmul, RowsKeepTheirBitsInAnyBatchOnAnyThreads) {
    for (const auto& [outputs, columns] : {std::pair<std::int64_t, std::int64_t>{35, 17}, {700, 257}}) {
        for (const DataType type : kAllTypes) {
            const Weights w(type, outputs, columns, m_random);
            const std::int64_t rows = 33;
            const std::vector<float> x = randomFloats(rows * columns, m_random);
            std::vector<float> alone(static_cast<std::size_t>(rows * outputs));
            const auto one = makeCpuBackend(1);
            for (std::int64_t row = 0; row < rows; ++row) {
                one->matmul({x.data() + row * columns, 1, columns}, w.matrix(), {}, Accumulate::kOverwrite,
                            {alone.data() + row * outputs, 1, outputs});
            }
            for (const int threads : {1, 2, 3}) {
                const auto cpu = makeCpuBackend(threads);
                for (const std::int64_t batch : {2, 3, 4, 7, 33}) {
                    std::vector<float> together(alone.size());
                    for (std::int64_t first = 0; first < rows; first += batch) {
                        const std::int64_t count = std::min(batch, rows - first);
                        cpu->matmul({x.data() + first * columns, count, columns}, w.matrix(), {},
                                    Accumulate::kOverwrite, {together.data() + first * outputs, count, outputs});
                    }
                    EXPECT_TRUE(sameBits(alone.data(), together.data(), rows * outputs))
                        << "batches of " << batch << ", " << threads << " threads, type " << static_cast<int>(type);
                }
            }
        }
    }
}

TEST_P(CpuMatmul, ProductsOfOneInputAreThoseOfEachAlone) {
    constexpr std::int64_t kColumns = 257;
    const Weights wide(DataType::kBF16, 700, kColumns, m_random);
    const Weights narrow(DataType::kF32, 5, kColumns, m_random);
    const Weights last(DataType::kF16, 121, kColumns, m_random);
    const std::vector<float> bias = randomFloats(5, m_random);
    for (const std::int64_t rows : {1, 7}) {
        const std::vector<float> x = randomFloats(rows * kColumns, m_random);
        std::vector<float> alone[] = {randomFloats(rows * 700, m_random), randomFloats(rows * 5, m_random),
                                      randomFloats(rows * 121, m_random)};
        std::vector<float> together[] = {alone[0], alone[1], alone[2]};
        const auto productsInto = [&](std::vector<float>(&out)[3]) {
            return std::array{Product{wide.matrix(), {}, Accumulate::kOverwrite, rowsOf(out[0], 700)},
                              Product{narrow.matrix(), bias, Accumulate::kOverwrite, rowsOf(out[1], 5)},
                              Product{last.matrix(), {}, Accumulate::kAdd, rowsOf(out[2], 121)}};
        };
        for (const Product& product : productsInto(alone)) {
            makeCpuBackend(1)->matmul(rowsOf(x, kColumns), product.w, product.bias, product.mode, product.out);
        }
        makeCpuBackend(3)->matmulEach(rowsOf(x, kColumns), productsInto(together));
        for (std::size_t i = 0; i < 3; ++i) {
            EXPECT_TRUE(sameBits(alone[i].data(), together[i].data(), std::ssize(alone[i])))
                << "product " << i << ", " << rows << " rows";
        }
    }
}

TEST_P(CpuMatmul, RowsWithAStrideAreLeftAloneBetween) {
    const std::int64_t columns = 19;
    const std::int64_t outputs = 11;
    const Weights w(DataType::kBF16, outputs, columns, m_random);
    const std::vector<float> x = randomFloats(3 * 32, m_random);
    std::vector<float> found(3 * 16, 42.0F);
    std::vector<float> expected = found;
    makeCpuBackend(2)->matmul({x.data(), 3, columns, 32}, w.matrix(), {}, Accumulate::kOverwrite,
                              {found.data(), 3, outputs, 16});
    makeReferenceBackend()->matmul({x.data(), 3, columns, 32}, w.matrix(), {}, Accumulate::kOverwrite,
                                   {expected.data(), 3, outputs, 16});
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (i % 16 < 11) {
            EXPECT_NEAR(found[i], expected[i], 1e-5);
        } else {
            EXPECT_EQ(found[i], 42.0F);
        }
    }
}

class CpuEmbed : public OnEveryInstructionSet {};
MIXO_ON_EVERY_INSTRUCTION_SET(CpuEmbed);

TEST_P(CpuEmbed, ConvertsExactly) {
    for (const DataType type : kAllTypes) {
        for (const std::int64_t columns : {1, 3, 17, 96, 129}) {
            const Weights table(type, 9, columns, m_random);
            const std::vector<std::int32_t> ids{8, 0, 3, 3};
            std::vector<float> found(static_cast<std::size_t>(4 * columns));
            makeCpuBackend(1)->embed(table.matrix(), ids, rowsOf(found, columns));
            for (std::int64_t i = 0; i < 4 * columns; ++i) {
                EXPECT_EQ(static_cast<double>(found[static_cast<std::size_t>(i)]),
                          table.at(ids[static_cast<std::size_t>(i / columns)], i % columns));
            }
        }
    }
}

TEST_P(CpuEmbed, ConvertsEveryF16BitForBit) {
    std::vector<std::uint16_t> table(65536);
    std::iota(table.begin(), table.end(), std::uint16_t{0});
    const std::vector<std::int32_t> ids{0};
    std::vector<float> found(table.size());
    makeCpuBackend(1)->embed({table.data(), DataType::kF16, 1, 65536}, ids, rowsOf(found, 65536));
    for (std::size_t bits = 0; bits < table.size(); ++bits) {
        const float expected = floatFromF16(static_cast<std::uint16_t>(bits));
        if (std::isnan(expected)) {
            EXPECT_TRUE(std::isnan(found[bits])) << bits;
        } else {
            EXPECT_EQ(std::bit_cast<std::uint32_t>(found[bits]), std::bit_cast<std::uint32_t>(expected)) << bits;
        }
    }
}

class CpuNorm : public OnEveryInstructionSet {};
MIXO_ON_EVERY_INSTRUCTION_SET(CpuNorm);

TEST_P(CpuNorm, AgreesWithTheOracleInPlaceToo) {
    const auto cpu = makeCpuBackend(2);
    for (const std::int64_t columns : {1, 3, 17, 96, 129, 2048}) {
        for (const std::int64_t rows : {1, 2, 7, 130}) {
            SCOPED_TRACE(testing::Message() << rows << " rows of " << columns);
            const std::vector<float> x = randomFloats(rows * columns, m_random, 3.0F);
            const std::vector<float> weight = randomFloats(columns, m_random);
            std::vector<float> expected(x.size());
            std::vector<float> found(x.size());
            makeReferenceBackend()->rmsNorm(rowsOf(x, columns), weight, 1e-6F, rowsOf(expected, columns));
            cpu->rmsNorm(rowsOf(x, columns), weight, 1e-6F, rowsOf(found, columns));
            // The mean of squares is a sum of positive terms: its relative error, halved by the root, is that of the
            // sum.
            const double relative = kEpsilon * (4.0 + 2.0 * std::sqrt(static_cast<double>(columns)));
            for (std::size_t i = 0; i < x.size(); ++i) {
                ASSERT_NEAR(expected[i], found[i], relative * std::abs(static_cast<double>(expected[i])));
            }
            std::vector<float> in_place = x;
            cpu->rmsNorm(rowsOf(in_place, columns), weight, 1e-6F, rowsOf(in_place, columns));
            EXPECT_TRUE(sameBits(in_place.data(), found.data(), rows * columns));
            std::vector<float> alone(x.size());
            for (std::int64_t row = 0; row < rows; ++row) {
                cpu->rmsNorm({x.data() + row * columns, 1, columns}, weight, 1e-6F,
                             {alone.data() + row * columns, 1, columns});
            }
            EXPECT_TRUE(sameBits(alone.data(), found.data(), rows * columns));
        }
    }
}

}  // namespace
}  // namespace mixoscope::kernels::test
