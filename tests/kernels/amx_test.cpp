// The tiles of AMX beyond what every instruction set is tested for: the split into terms, what is not finite, the edges
// of matrices, every count of rows.
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cfloat>
#include <numeric>
#include <thread>

#include "kernels/kernel_cases_test.h"

namespace mixoscope::kernels::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class Amx : public testing::Test {
protected:
    void SetUp() override {
        if (!cpu::amxAvailable()) GTEST_SKIP() << kNoAmx;
    }
    std::mt19937 m_random{20251128};
    const testing::ScopedTrace m_seed{__FILE__, __LINE__, "seed 20251128"};
};

std::vector<float> multiply(Backend& backend, const Matrix& w, const std::vector<float>& x) {
    const auto rows = static_cast<std::int64_t>(x.size()) / w.columns;
    std::vector<float> out(static_cast<std::size_t>(rows * w.rows));
    backend.matmul(rowsOf(x, w.columns), w, {}, Accumulate::kOverwrite, rowsOf(out, w.rows));
    return out;
}

Matrix bf16Matrix(const std::vector<std::uint16_t>& bits, std::int64_t columns) {
    return {bits.data(), DataType::kBF16, static_cast<std::int64_t>(bits.size()) / columns, columns};
}

/// A row's three terms of one column among the packed words of its group.
std::array<float, 3> termsOf(const std::uint32_t* packed, std::int64_t rows, std::int64_t row, std::int64_t column) {
    std::array<float, 3> terms{};
    for (std::size_t term = 0; term < 3; ++term) {
        const std::uint32_t word = packed[(column / 2 * 3 + static_cast<std::int64_t>(term)) * rows + row];
        terms[term] = floatFromBF16(static_cast<std::uint16_t>(column % 2 == 0 ? word : word >> 16));
    }
    return terms;
}

TEST_F(Amx, ThreeTermsMakeUpEveryFiniteNumber) {
    std::vector<float> x{0.0F,
                         -0.0F,
                         1.0F,
                         -1.0F / 3.0F,
                         FLT_MAX,
                         -FLT_MAX,
                         0x1.FFFFFEp-103F,
                         0x1p-103F,
                         0x1.FFFFFEp-104F,
                         FLT_MIN,
                         -FLT_MIN,
                         0x1.FFFFFEp-126F,
                         0x1p-149F,
                         0x1.00FFFEp0F,
                         0x1.FE01FEp7F,
                         0x1.010101p-3F};
    while (x.size() < 40001) {  // every bit pattern is as likely
        const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(m_random()));
        if (std::isfinite(value)) x.push_back(value);
    }
    const auto columns = static_cast<std::int64_t>(x.size());
    std::vector<std::uint32_t> packed(static_cast<std::size_t>(cpu::packedRowWords(columns)), 0xFFFFFFFFU);
    const float* row = x.data();
    cpu::packRows(&row, 1, 0, columns, packed.data());
    for (std::int64_t i = 0; i < columns; ++i) {
        const auto exact = static_cast<double>(x[static_cast<std::size_t>(i)]);
        double sum = 0.0;
        for (const float term : termsOf(packed.data(), 1, 0, i)) {
            if (std::abs(term) >= FLT_MIN) sum += static_cast<double>(term);  // the tiles take others for 0
        }
        if (std::abs(exact) >= 0x1p-103) {
            ASSERT_EQ(sum, exact) << std::hexfloat << exact;
        } else {
            ASSERT_LT(std::abs(sum - exact), 0x1p-126) << std::hexfloat << exact;
        }
    }
}

TEST_F(Amx, GroupsAreFilledUpWithZeros) {
    for (std::int64_t count = 1; count <= cpu::kAmxGroupRows; ++count) {
        for (const std::int64_t columns : {1, 31, 32, 45, 96}) {
            const std::vector<float> x = randomFloats(count * columns, m_random);
            std::vector<const float*> rows;
            for (std::int64_t row = 0; row < count; ++row) rows.push_back(x.data() + row * columns);
            const std::int64_t words = count * cpu::packedRowWords(columns);
            std::vector<std::uint32_t> packed(static_cast<std::size_t>(words), 0xFFFFFFFFU);
            for (std::int64_t begin = 0; begin < columns; begin += 32) {
                cpu::packRows(rows.data(), count, begin, std::min(columns, begin + 32), packed.data());
            }
            for (std::int64_t row = 0; row < count; ++row) {
                for (std::int64_t column = 0; column < (columns + 31) / 32 * 32; ++column) {
                    const auto terms = termsOf(packed.data(), count, row, column);
                    const float sum = terms[0] + (terms[1] + terms[2]);
                    const float expected =
                        column < columns ? x[static_cast<std::size_t>(row * columns + column)] : 0.0F;
                    ASSERT_EQ(sum, expected) << "row " << row << " of " << count << ", column " << column;
                }
            }
        }
    }
}

TEST_F(Amx, ProductWithTheIdentityKeepsEveryBit) {
    constexpr std::int64_t kColumns = 75;
    std::vector<std::uint16_t> identity(kColumns * kColumns, 0);
    for (std::size_t i = 0; i < kColumns; ++i) identity[i * kColumns + i] = bf16FromFloat(1.0F);
    std::vector<float> x = randomFloats(13 * kColumns, m_random, 1e5F);
    x[3] = FLT_MAX;
    x[80] = -0x1.00FFFEp-90F;
    EXPECT_EQ(multiply(*makeCpuBackend(2), bf16Matrix(identity, kColumns), x), x);
}

TEST_F(Amx, WhatIsNotFiniteIsAsInF32) {
    constexpr std::int64_t kColumns = 40;
    const auto hidden_nan = std::bit_cast<float>(0x7F800001U);  // its upper half is that of infinity
    // Each a weight and an activation, in a column of its own beside others that are 1.
    const std::vector<std::vector<std::pair<float, float>>> cases{
        {{1.0F, kInfinity}},
        {{-2.0F, kInfinity}},
        {{0.0F, kInfinity}},
        {{1.0F, kInfinity}, {1.0F, -kInfinity}},
        {{1.0F, kInfinity}, {1.0F, 3.0F}},
        {{0.0F, hidden_nan}},
        {{1.0F, -hidden_nan}},
        {{kInfinity, 1.0F}},
        {{-kInfinity, 0x1.0001p0F}},  // two terms
        {{kInfinity, 0.0F}},
        {{kInfinity, 1.0F}, {kInfinity, -1.0F}},
        {{std::numeric_limits<float>::quiet_NaN(), 1.0F}},
        {{2.0F, FLT_MAX}},
        {{1.0F, FLT_MAX}, {1.0F, 0x1p127F}},
    };
    for (const std::int64_t rows : {1, 6}) {
        for (std::size_t i = 0; i < cases.size(); ++i) {
            std::vector<std::uint16_t> weights(20 * kColumns, bf16FromFloat(1.0F));
            std::vector<float> x(static_cast<std::size_t>(rows * kColumns), 1.0F);
            for (std::size_t at = 0; at < cases[i].size(); ++at) {
                weights[18 * kColumns + 33 + at] = bf16FromFloat(cases[i][at].first);
                x[x.size() - kColumns + 33 + at] = cases[i][at].second;
            }
            const Matrix w = bf16Matrix(weights, kColumns);
            const std::vector<float> found = multiply(*makeCpuBackend(1), w, x);
            cpu::setAmx(false);
            const std::vector<float> expected = multiply(*makeCpuBackend(1), w, x);
            cpu::setAmx(true);
            for (std::size_t at = 0; at < found.size(); ++at) {
                SCOPED_TRACE(testing::Message() << "case " << i << ", " << rows << " rows, result " << at);
                if (std::isnan(expected[at])) {
                    EXPECT_TRUE(std::isnan(found[at])) << found[at];
                } else {
                    EXPECT_EQ(found[at], expected[at]);
                }
            }
        }
    }
}

TEST_F(Amx, RowsKeepTheirBitsInGroupsOfAnySize) {
    for (const auto& [outputs, columns] :
         {std::pair<std::int64_t, std::int64_t>{1, 5}, {16, 32}, {23, 61}, {48, 64}, {333, 290}}) {
        const Weights w(DataType::kBF16, outputs, columns, m_random);
        const std::vector<float> x = randomFloats(17 * columns, m_random);
        std::vector<float> alone;
        for (std::int64_t row = 0; row < 17; ++row) {
            const std::vector<float> one(x.begin() + row * columns, x.begin() + (row + 1) * columns);
            const std::vector<float> out = multiply(*makeCpuBackend(1), w.matrix(), one);
            alone.insert(alone.end(), out.begin(), out.end());
        }
        for (const int threads : {1, 3}) {
            const auto backend = makeCpuBackend(threads);
            for (std::int64_t rows = 1; rows <= 17; ++rows) {
                const std::vector<float> some(x.end() - rows * columns, x.end());
                const std::vector<float> together = multiply(*backend, w.matrix(), some);
                EXPECT_TRUE(sameBits(together.data(), alone.data() + (17 - rows) * outputs, rows * outputs))
                    << rows << " rows, " << columns << " → " << outputs << ", " << threads << " threads";
            }
        }
    }
}

/// Memory that ends where a page that may not be read begins.
class Guarded {
public:
    explicit Guarded(std::size_t bytes)
        : m_bytes((bytes + kPage - 1) / kPage * kPage),
          m_data(static_cast<std::byte*>(
              mmap(nullptr, m_bytes + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
          m_begin(m_data + m_bytes - bytes) {
        if (mprotect(m_data + m_bytes, kPage, PROT_NONE) != 0) throw std::runtime_error("mprotect failed");
    }
    ~Guarded() { munmap(m_data, m_bytes + kPage); }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    std::byte* begin() const { return m_begin; }

private:
    static constexpr std::size_t kPage = 4096;
    std::size_t m_bytes;
    std::byte* m_data;
    std::byte* m_begin;
};

TEST_F(Amx, NothingBeyondWeightsAndRowsIsRead) {
    for (const auto& [outputs, columns] :
         {std::pair<std::int64_t, std::int64_t>{1, 1}, {17, 3}, {16, 33}, {50, 70}, {31, 64}}) {
        const Weights w(DataType::kBF16, outputs, columns, m_random);
        const std::vector<float> x = randomFloats(6 * columns, m_random);
        const std::vector<float> expected = multiply(*makeCpuBackend(1), w.matrix(), x);
        const Guarded weights(static_cast<std::size_t>(w.matrix().bytes()));
        std::memcpy(weights.begin(), w.matrix().data, static_cast<std::size_t>(w.matrix().bytes()));
        const Guarded rows(x.size() * sizeof(float));
        std::memcpy(rows.begin(), x.data(), x.size() * sizeof(float));
        std::vector<float> found(expected.size());
        makeCpuBackend(1)->matmul({reinterpret_cast<const float*>(rows.begin()), 6, columns},
                                  {weights.begin(), DataType::kBF16, outputs, columns}, {}, Accumulate::kOverwrite,
                                  rowsOf(found, outputs));
        EXPECT_TRUE(sameBits(found.data(), expected.data(), 6 * outputs)) << columns << " → " << outputs;
    }
}

TEST_F(Amx, ThreadsHaveTilesOfTheirOwn) {
    const Weights w(DataType::kBF16, 100, 300, m_random);
    std::vector<std::vector<float>> inputs;
    std::vector<std::vector<float>> expected;
    for (const std::int64_t rows : {1, 4, 7, 12}) {
        inputs.push_back(randomFloats(rows * 300, m_random));
        expected.push_back(multiply(*makeCpuBackend(1), w.matrix(), inputs.back()));
    }
    std::vector<int> wrong(inputs.size(), 0);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        threads.emplace_back([&, i] {
            const auto backend = makeCpuBackend(2);
            for (int round = 0; round < 100; ++round) {
                if (multiply(*backend, w.matrix(), inputs[i]) != expected[i]) ++wrong[i];
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(inputs.size(), 0));
}

TEST_F(Amx, IsNamedAndUsedForBF16AloneUntilSwitchedOff) {
    EXPECT_TRUE(cpu::usesAmx(DataType::kBF16));
    EXPECT_FALSE(cpu::usesAmx(DataType::kF16));
    EXPECT_FALSE(cpu::usesAmx(DataType::kF32));
    EXPECT_NE(makeCpuBackend(1)->name().find(" + AMX,"), std::string_view::npos);
    cpu::setAmx(false);
    EXPECT_FALSE(cpu::usesAmx(DataType::kBF16));
    EXPECT_EQ(makeCpuBackend(1)->name().find("AMX"), std::string_view::npos);
    cpu::setAmx(true);
}

TEST(AmxSupport, IsUsedOnlyWhereAvailable) {
    EXPECT_EQ(cpu::usesAmx(DataType::kBF16), cpu::amxAvailable());
}

}  // namespace
}  // namespace mixoscope::kernels::test
