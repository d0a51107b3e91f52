#include "kernels/cpu/logits.h"

#include <algorithm>
#include <limits>

#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/logits.cpp"
#include "hwy/foreach_target.h"  // compiles this file once for each instruction set
// Below it:
#include "hwy/highway.h"
#include "kernels/cpu/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mixoscope::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

/// The first `count` < Lanes(d) logits, then −inf: no logit at all.
HWY_INLINE FloatVector firstLogits(FloatTag d, const float* logits, std::size_t count) {
    HWY_ALIGN float elements[HWY_MAX_BYTES / sizeof(float)];
    std::fill(std::copy_n(logits, count, elements), elements + hn::Lanes(d), -std::numeric_limits<float>::infinity());
    return hn::Load(d, elements);
}

std::optional<float> largestLogit(std::span<const float> logits) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    const FloatVector most = hn::Set(d, std::numeric_limits<float>::max());
    FloatVector largest = hn::Set(d, -std::numeric_limits<float>::infinity());
    auto sound = hn::Le(largest, most);
    const auto look = [&](FloatVector some) HWY_ATTR {
        sound = hn::And(sound, hn::Le(some, most));  // false for NaN and +inf
        largest = hn::Max(largest, some);
    };
    std::size_t i = 0;
    for (; i + lanes <= logits.size(); i += lanes) look(hn::LoadU(d, logits.data() + i));
    if (i < logits.size()) look(firstLogits(d, logits.data() + i, logits.size() - i));
    if (!hn::AllTrue(d, sound)) return std::nullopt;
    const float found = hn::GetLane(hn::MaxOfLanes(d, largest));
    if (found == -std::numeric_limits<float>::infinity()) return std::nullopt;
    return found;
}

float sumOfBlock(std::span<const float> logits, float largest) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    const FloatVector top = hn::Set(d, largest);
    const FloatVector none = hn::Set(d, -104.0F);  // exp of it is 0 as an f32, of less too
    FloatVector sum = hn::Zero(d);
    const auto add = [&](FloatVector some)
                         HWY_ATTR { sum = hn::Add(sum, expOf(d, hn::Max(hn::Sub(some, top), none))); };
    std::size_t i = 0;
    for (; i + lanes <= logits.size(); i += lanes) add(hn::LoadU(d, logits.data() + i));
    if (i < logits.size()) add(firstLogits(d, logits.data() + i, logits.size() - i));
    return hn::GetLane(hn::SumOfLanes(d, sum));
}

double sumOfExponentials(std::span<const float> logits, float largest) {
    constexpr std::size_t kBlock = 256;
    double sum = 0.0;
    for (std::size_t first = 0; first < logits.size(); first += kBlock) {
        const std::size_t count = std::min(kBlock, logits.size() - first);
        sum += static_cast<double>(sumOfBlock(logits.subspan(first, count), largest));
    }
    return sum;
}

template <typename Compare>
HWY_INLINE std::size_t countWhere(std::span<const float> logits, const Compare& holds) {
    const FloatTag d;
    const std::size_t lanes = hn::Lanes(d);
    std::size_t found = 0;
    std::size_t i = 0;
    for (; i + lanes <= logits.size(); i += lanes) found += hn::CountTrue(d, holds(hn::LoadU(d, logits.data() + i)));
    if (i < logits.size()) {
        const std::size_t rest = logits.size() - i;
        const auto there = hn::FirstN(d, rest);
        found += hn::CountTrue(d, hn::And(there, holds(firstLogits(d, logits.data() + i, rest))));
    }
    return found;
}

std::size_t countAbove(std::span<const float> logits, float bound) {
    const FloatVector limit = hn::Set(FloatTag(), bound);
    return countWhere(logits, [&](FloatVector some) HWY_ATTR { return hn::Gt(some, limit); });
}

std::size_t countFrom(std::span<const float> logits, float bound) {
    const FloatVector limit = hn::Set(FloatTag(), bound);
    return countWhere(logits, [&](FloatVector some) HWY_ATTR { return hn::Ge(some, limit); });
}

}  // namespace mixoscope::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mixoscope::kernels::cpu {

HWY_EXPORT(largestLogit);
HWY_EXPORT(sumOfExponentials);
HWY_EXPORT(countAbove);
HWY_EXPORT(countFrom);

std::optional<float> largestLogit(std::span<const float> logits) {
    return HWY_DYNAMIC_DISPATCH(largestLogit)(logits);
}
double sumOfExponentials(std::span<const float> logits, float largest) {
    return HWY_DYNAMIC_DISPATCH(sumOfExponentials)(logits, largest);
}
std::size_t countAbove(std::span<const float> logits, float bound) {
    return HWY_DYNAMIC_DISPATCH(countAbove)(logits, bound);
}
std::size_t countFrom(std::span<const float> logits, float bound) {
    return HWY_DYNAMIC_DISPATCH(countFrom)(logits, bound);
}

}  // namespace mixoscope::kernels::cpu
#endif
