// Attention of the heads that share a key/value head over a span of positions, with a running softmax.
#include <algorithm>
#include <limits>

#include "kernels/cpu/operations.h"
#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_span.cpp"
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
using PageTag = hn::CappedTag<float, kKvPageTokens>;

// Keys summed at once: enough independent sums to hide the latency of a multiply-add.
constexpr std::size_t kKeys = 8;
static_assert(kKvPageTokens % kKeys == 0);

/// scores[t] = query · key t for all slots of a page, also those not yet written.
void scorePage(const float* query, const float* keys, std::size_t head_dim, float* scores) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    for (std::size_t t = 0; t < kKvPageTokens; t += kKeys) {
        FloatVector sums[kKeys];
        for (std::size_t k = 0; k < kKeys; ++k) sums[k] = hn::Zero(d);
        const float* tile = keys + t * head_dim;
        std::size_t i = 0;
        for (; i + lanes <= head_dim; i += lanes) {
            const FloatVector q = hn::LoadU(d, query + i);
            for (std::size_t k = 0; k < kKeys; ++k) {
                sums[k] = hn::MulAdd(q, hn::LoadU(d, tile + k * head_dim + i), sums[k]);
            }
        }
        if (i < head_dim) {
            const FloatVector q = loadFirstFloats(d, query + i, head_dim - i);
            for (std::size_t k = 0; k < kKeys; ++k) {
                sums[k] = hn::MulAdd(q, loadFirstFloats(d, tile + k * head_dim + i, head_dim - i), sums[k]);
            }
        }
        for (std::size_t k = 0; k < kKeys; ++k) scores[t + k] = hn::GetLane(hn::SumOfLanes(d, sums[k]));
    }
}

/// shares[t] = exp(scores[t] − maximum), returns their sum.
float shareOut(const float* scores, float maximum, float* shares) {
    const PageTag d;
    hn::Vec<PageTag> sum = hn::Zero(d);
    for (std::size_t t = 0; t < kKvPageTokens; t += hn::Lanes(d)) {
        const auto share = expOf(d, hn::Sub(hn::Load(d, scores + t), hn::Set(d, maximum)));
        hn::Store(share, d, shares + t);
        sum = hn::Add(sum, share);
    }
    return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// values = values * correction + Σ shares[t] · value t, over `tokens` slots.
void addValues(const float* values, const float* shares, std::size_t tokens, std::size_t head_dim, float correction,
               float* sums) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    const FloatVector factor = hn::Set(d, correction);
    constexpr std::size_t kVectors = 4;
    std::size_t i = 0;
    for (; i + kVectors * lanes <= head_dim; i += kVectors * lanes) {
        FloatVector sum[kVectors];
        for (std::size_t v = 0; v < kVectors; ++v) sum[v] = hn::Mul(hn::LoadU(d, sums + i + v * lanes), factor);
        for (std::size_t t = 0; t < tokens; ++t) {
            const FloatVector share = hn::Set(d, shares[t]);
            for (std::size_t v = 0; v < kVectors; ++v) {
                sum[v] = hn::MulAdd(share, hn::LoadU(d, values + t * head_dim + i + v * lanes), sum[v]);
            }
        }
        for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[v], d, sums + i + v * lanes);
    }
    while (i < head_dim) {
        const std::size_t count = std::min(lanes, head_dim - i);
        const bool whole = count == lanes;
        const auto load = [&](const float* from)
                              HWY_ATTR { return whole ? hn::LoadU(d, from) : loadFirstFloats(d, from, count); };
        FloatVector sum = hn::Mul(load(sums + i), factor);
        for (std::size_t t = 0; t < tokens; ++t) {
            sum = hn::MulAdd(hn::Set(d, shares[t]), load(values + t * head_dim + i), sum);
        }
        if (whole) {
            hn::StoreU(sum, d, sums + i);
        } else {
            storeFirstFloats(d, sum, sums + i, count);
        }
        i += count;
    }
}

float expOfOne(float x) {
    const hn::CappedTag<float, 1> d;
    return hn::GetLane(expOf(d, hn::Set(d, x)));
}

void attendSpan(const AttentionHeads& heads, const KvLayer& cache, std::span<const std::int32_t> pages,
                std::int64_t first, std::int64_t end, const AttentionSums& sums) {
    const auto head_dim = static_cast<std::size_t>(cache.head_dim);
    for (std::int64_t begin = first; begin < end; begin += kKvPageTokens) {
        const auto tokens = static_cast<std::size_t>(std::min(kKvPageTokens, end - begin));
        const std::int64_t page = pages[static_cast<std::size_t>(begin / kKvPageTokens)];
        const std::int64_t offset = cache.offset(page, heads.kv_head, 0);
        for (std::int64_t head = 0; head < heads.group; ++head) {
            HWY_ALIGN float scores[kKvPageTokens];
            HWY_ALIGN float shares[kKvPageTokens];
            scorePage(heads.queries + head * cache.head_dim, cache.keys + offset, head_dim, scores);
            float highest = sums.maxima[head];
            for (std::size_t t = 0; t < tokens; ++t) {
                scores[t] *= heads.scale;
                highest = std::max(highest, scores[t]);
            }
            for (std::size_t t = tokens; t < kKvPageTokens; ++t) scores[t] = -std::numeric_limits<float>::infinity();
            const float correction = highest == sums.maxima[head] ? 1.0F : expOfOne(sums.maxima[head] - highest);
            sums.weights[head] = sums.weights[head] * correction + shareOut(scores, highest, shares);
            sums.maxima[head] = highest;
            addValues(cache.values + offset, shares, tokens, head_dim, correction, sums.values + head * cache.head_dim);
        }
    }
}

void mergeSums(const AttentionSums& part, std::int64_t group, std::int64_t head_dim, const AttentionSums& total) {
    for (std::int64_t head = 0; head < group; ++head) {
        const float highest = std::max(total.maxima[head], part.maxima[head]);
        const float keep = total.maxima[head] == highest ? 1.0F : expOfOne(total.maxima[head] - highest);
        const float add = part.maxima[head] == highest ? 1.0F : expOfOne(part.maxima[head] - highest);
        total.weights[head] = total.weights[head] * keep + part.weights[head] * add;
        addValues(part.values + head * head_dim, &add, 1, static_cast<std::size_t>(head_dim), keep,
                  total.values + head * head_dim);
        total.maxima[head] = highest;
    }
}

}  // namespace mixoscope::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mixoscope::kernels::cpu {

HWY_EXPORT(attendSpan);
HWY_EXPORT(mergeSums);

void clearSums(const AttentionSums& sums, std::int64_t group, std::int64_t head_dim) {
    std::fill_n(sums.maxima, group, -std::numeric_limits<float>::infinity());
    std::fill_n(sums.weights, group, 0.0F);
    std::fill_n(sums.values, group * head_dim, 0.0F);
}

void attendSpan(const AttentionHeads& heads, const KvLayer& cache, std::span<const std::int32_t> pages,
                std::int64_t first, std::int64_t end, const AttentionSums& sums) {
    assert(first % kKvPageTokens == 0 && first < end);
    clearSums(sums, heads.group, cache.head_dim);
    HWY_DYNAMIC_DISPATCH(attendSpan)(heads, cache, pages, first, end, sums);
}

void mergeSums(const AttentionSums& part, std::int64_t group, std::int64_t head_dim, const AttentionSums& total) {
    HWY_DYNAMIC_DISPATCH(mergeSums)(part, group, head_dim, total);
}

void finishSums(const AttentionSums& sums, std::int64_t group, std::int64_t head_dim, float* out) {
    for (std::int64_t head = 0; head < group; ++head) {
        for (std::int64_t i = 0; i < head_dim; ++i) {
            out[head * head_dim + i] = sums.values[head * head_dim + i] / sums.weights[head];
        }
    }
}

}  // namespace mixoscope::kernels::cpu
#endif
