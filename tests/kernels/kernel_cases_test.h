// What the kernel tests share: seeded data, weights of any type, tolerances from norms, every instruction set.
#pragma once

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/amx.h"
#include "kernels/cpu/dot.h"
#include "kernels/float_formats.h"

namespace mixoscope::kernels::test {

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
constexpr DataType kAllTypes[] = {DataType::kF32, DataType::kF16, DataType::kBF16};

inline std::vector<float> randomFloats(std::int64_t count, std::mt19937& random, float scale = 1.0F) {
    std::normal_distribution<float> normal(0.0F, scale);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = normal(random);
    return values;
}

/// A weight matrix with its storage. The storage begins at an odd address and ends with the last element, as in a
/// mapped file, so that sanitizers see reads beyond it.
class Weights {
public:
    Weights(DataType type, std::int64_t rows, std::int64_t columns, std::mt19937& random) {
        const std::size_t size = bytesPerElement(type);
        const std::vector<float> values =
            randomFloats(rows * columns, random, 1.0F / std::sqrt(static_cast<float>(columns)));
        m_bytes.resize(1 + values.size() * size);
        for (std::size_t i = 0; i < values.size(); ++i) {
            std::byte* at = m_bytes.data() + 1 + i * size;
            if (type == DataType::kF32) {
                std::memcpy(at, &values[i], size);
            } else {
                const std::uint16_t bits = type == DataType::kF16 ? f16FromFloat(values[i]) : bf16FromFloat(values[i]);
                std::memcpy(at, &bits, size);
            }
        }
        m_matrix = {m_bytes.data() + 1, type, rows, columns};
    }
    Matrix matrix() const { return m_matrix; }
    double at(std::int64_t row, std::int64_t column) const {
        return static_cast<double>(loadElement(m_matrix.row(row), m_matrix.type, column));
    }
    double rowNorm(std::int64_t row) const {
        double sum = 0.0;
        for (std::int64_t i = 0; i < m_matrix.columns; ++i) sum += at(row, i) * at(row, i);
        return std::sqrt(sum);
    }

private:
    std::vector<std::byte> m_bytes;
    Matrix m_matrix;
};

inline double norm(const float* values, std::int64_t count) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    return std::sqrt(sum);
}

/// How far an f32 dot product of vectors with these norms may lie from the exact one. Rounding errors of `count`
/// additions grow as the root of their number; 4 leaves room for the tails of that distribution.
inline double dotTolerance(std::int64_t count, double left_norm, double right_norm) {
    return 4.0 * kEpsilon * std::sqrt(static_cast<double>(count)) * left_norm * right_norm + 1e-30;
}

inline RowsOut rowsOf(std::vector<float>& values, std::int64_t columns) {
    return {values.data(), static_cast<std::int64_t>(values.size()) / columns, columns};
}
inline RowsIn rowsOf(const std::vector<float>& values, std::int64_t columns) {
    return {values.data(), static_cast<std::int64_t>(values.size()) / columns, columns};
}

inline bool sameBits(const float* left, const float* right, std::int64_t count) {
    return std::memcmp(left, right, static_cast<std::size_t>(count) * sizeof(float)) == 0;
}

constexpr const char* kNoAmx = "this processor has no AMX with BF16, or the system does not grant it";

/// Stands beside Highway's targets for the tiles of AMX over the best of them.
constexpr std::int64_t kAmx = -1;

/// Every instruction set that this machine can run and the kernels are compiled for, the portable fallback as 0, and
/// kAmx, which is skipped where there is none.
inline std::vector<std::int64_t> instructionSets() {
    std::vector<std::int64_t> sets;
    for (std::int64_t rest = hwy::SupportedTargets(); rest != 0; rest &= rest - 1) {
        const std::int64_t target = rest & -rest;
        hwy::GetChosenTarget().Update(target);
        if (cpu::instructionSet() == std::string_view(hwy::TargetName(target))) sets.push_back(target);
    }
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    std::erase_if(sets, [](std::int64_t target) { return target == HWY_SCALAR || target == HWY_EMU128; });
    sets.push_back(0);
    sets.push_back(kAmx);
    return sets;
}

inline std::string instructionSetName(const testing::TestParamInfo<std::int64_t>& info) {
    return info.param == 0 ? "Portable" : info.param == kAmx ? "AMX" : hwy::TargetName(info.param);
}

/// Runs each test with one instruction set.
class OnEveryInstructionSet : public testing::TestWithParam<std::int64_t> {
protected:
    void SetUp() override {
        if (GetParam() == kAmx && !cpu::amxAvailable()) GTEST_SKIP() << kNoAmx;
        cpu::setAmx(GetParam() == kAmx);
        if (GetParam() != kAmx) hwy::GetChosenTarget().Update(GetParam());
    }
    void TearDown() override {
        cpu::setAmx(true);
        hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    }

    std::mt19937 m_random{20250607};
    const testing::ScopedTrace m_seed{__FILE__, __LINE__, "seed 20250607"};
};

#define MIXO_ON_EVERY_INSTRUCTION_SET(Suite) \
    INSTANTIATE_TEST_SUITE_P(All, Suite, testing::ValuesIn(instructionSets()), instructionSetName)

}  // namespace mixoscope::kernels::test
