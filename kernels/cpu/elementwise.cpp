// Row operations without interaction between outputs: conversion, RMSNorm, SwiGLU's product, weighted sums, rotation.
#include <cmath>

#include "kernels/cpu/operations.h"
#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/elementwise.cpp"
#include "hwy/foreach_target.h"  // compiles this file once for each instruction set
// Below it:
#include "hwy/highway.h"
#include "kernels/cpu/exp-inl.h"
#include "kernels/cpu/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mixoscope::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

template <typename Element>
void convertElements(const Element* in, float* out, std::size_t count) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) hn::StoreU(loadFloats(d, in + i), d, out + i);
    if (i < count) storeFirstFloats(d, loadFirstFloats(d, in + i, count - i), out + i, count - i);
}

void convertRow(const void* in, DataType type, std::span<float> out) {
    switch (type) {
        case DataType::kF32:
            return convertElements(static_cast<const float*>(in), out.data(), out.size());
        case DataType::kF16:
            return convertElements(static_cast<const hwy::float16_t*>(in), out.data(), out.size());
        case DataType::kBF16:
            return convertElements(static_cast<const hwy::bfloat16_t*>(in), out.data(), out.size());
    }
}

void normaliseRow(const float* in, std::span<const float> weight, float epsilon, float* out) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    const std::size_t columns = weight.size();
    FloatVector squares = hn::Zero(d);
    std::size_t i = 0;
    for (; i + lanes <= columns; i += lanes) {
        const FloatVector x = hn::LoadU(d, in + i);
        squares = hn::MulAdd(x, x, squares);
    }
    if (i < columns) {
        const FloatVector x = loadFirstFloats(d, in + i, columns - i);
        squares = hn::MulAdd(x, x, squares);
    }
    const float mean = hn::GetLane(hn::SumOfLanes(d, squares)) / static_cast<float>(columns);
    const FloatVector scale = hn::Set(d, 1.0F / std::sqrt(mean + epsilon));
    const auto scaled = [&](FloatVector x, FloatVector w) HWY_ATTR { return hn::Mul(hn::Mul(x, scale), w); };
    for (i = 0; i + lanes <= columns; i += lanes) {
        hn::StoreU(scaled(hn::LoadU(d, in + i), hn::LoadU(d, weight.data() + i)), d, out + i);
    }
    if (i < columns) {
        const std::size_t count = columns - i;
        const FloatVector w = loadFirstFloats(d, weight.data() + i, count);
        storeFirstFloats(d, scaled(loadFirstFloats(d, in + i, count), w), out + i, count);
    }
}

void siluMultiply(float* gate, const float* up, std::int64_t count) {
    const FloatTag d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const auto product = [&](FloatVector g, FloatVector u) HWY_ATTR {
        return hn::Mul(hn::Div(g, hn::Add(hn::Set(d, 1.0F), expOf(d, hn::Neg(g)))), u);
    };
    std::int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        hn::StoreU(product(hn::LoadU(d, gate + i), hn::LoadU(d, up + i)), d, gate + i);
    }
    if (i < count) {
        const auto rest = static_cast<std::size_t>(count - i);
        const FloatVector last = product(loadFirstFloats(d, gate + i, rest), loadFirstFloats(d, up + i, rest));
        storeFirstFloats(d, last, gate + i, rest);
    }
}

void addWeighted(const float* in, float weight, float* sum, std::int64_t count) {
    const FloatTag d;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    const FloatVector factor = hn::Set(d, weight);
    std::int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        hn::StoreU(hn::MulAdd(factor, hn::LoadU(d, in + i), hn::LoadU(d, sum + i)), d, sum + i);
    }
    if (i < count) {
        const auto rest = static_cast<std::size_t>(count - i);
        const FloatVector last =
            hn::MulAdd(factor, loadFirstFloats(d, in + i, rest), loadFirstFloats(d, sum + i, rest));
        storeFirstFloats(d, last, sum + i, rest);
    }
}

void rotateHead(float* head, std::span<const float> cosines, std::span<const float> sines) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    const std::size_t half = cosines.size();
    std::size_t i = 0;
    for (; i + lanes <= half; i += lanes) {
        const FloatVector cosine = hn::LoadU(d, cosines.data() + i);
        const FloatVector sine = hn::LoadU(d, sines.data() + i);
        const FloatVector first = hn::LoadU(d, head + i);
        const FloatVector second = hn::LoadU(d, head + half + i);
        hn::StoreU(hn::NegMulAdd(second, sine, hn::Mul(first, cosine)), d, head + i);
        hn::StoreU(hn::MulAdd(first, sine, hn::Mul(second, cosine)), d, head + half + i);
    }
    for (; i < half; ++i) {
        const float first = head[i];
        const float second = head[half + i];
        head[i] = first * cosines[i] - second * sines[i];
        head[half + i] = second * cosines[i] + first * sines[i];
    }
}

}  // namespace mixoscope::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mixoscope::kernels::cpu {

HWY_EXPORT(convertRow);
HWY_EXPORT(normaliseRow);
HWY_EXPORT(siluMultiply);
HWY_EXPORT(addWeighted);
HWY_EXPORT(rotateHead);

void convertRow(const void* in, DataType type, std::span<float> out) {
    HWY_DYNAMIC_DISPATCH(convertRow)(in, type, out);
}
void normaliseRow(const float* in, std::span<const float> weight, float epsilon, float* out) {
    HWY_DYNAMIC_DISPATCH(normaliseRow)(in, weight, epsilon, out);
}
void siluMultiply(float* gate, const float* up, std::int64_t count) {
    HWY_DYNAMIC_DISPATCH(siluMultiply)(gate, up, count);
}
void addWeighted(const float* in, float weight, float* sum, std::int64_t count) {
    HWY_DYNAMIC_DISPATCH(addWeighted)(in, weight, sum, count);
}
void rotateHead(float* head, std::span<const float> cosines, std::span<const float> sines) {
    HWY_DYNAMIC_DISPATCH(rotateHead)(head, cosines, sines);
}

}  // namespace mixoscope::kernels::cpu
#endif
