// Loading weights of any element type as vectors of f32, for one instruction set at a time.

// Include guard per target, as foreach_target re-includes its file.
#if defined(MIXO_KERNELS_CPU_LOAD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef MIXO_KERNELS_CPU_LOAD_INL_H
#undef MIXO_KERNELS_CPU_LOAD_INL_H
#else
#define MIXO_KERNELS_CPU_LOAD_INL_H
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace mixoscope::kernels::cpu::HWY_NAMESPACE {

template <class D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> loadFloats(D d, const float* data) {
    return hwy::HWY_NAMESPACE::LoadU(d, data);
}

/// f16 or bf16
template <class D, typename Element>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> loadFloats(D d, const Element* data) {
    const hwy::HWY_NAMESPACE::Rebind<Element, D> narrow;
    return hwy::HWY_NAMESPACE::PromoteTo(d, hwy::HWY_NAMESPACE::LoadU(narrow, data));
}

#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
// Without F16C: Highway 1.0.3's own conversion makes finite values of infinities and NaN.
template <class D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> loadFloats(D d, const hwy::float16_t* data) {
    namespace hn = hwy::HWY_NAMESPACE;
    const hn::Rebind<std::uint16_t, D> narrow;
    const hn::RebindToSigned<D> di;
    const auto bits = hn::PromoteTo(di, hn::LoadU(narrow, reinterpret_cast<const std::uint16_t*>(data)));
    const auto magnitude = hn::And(bits, hn::Set(di, 0x7FFF));
    // As the bits of an f32 it is 2^-112 times its value, subnormal or not.
    const auto finite = hn::Mul(hn::BitCast(d, hn::ShiftLeft<13>(magnitude)), hn::Set(d, 0x1p112F));
    const auto exponent = hn::IfThenElseZero(hn::Gt(magnitude, hn::Set(di, 0x7BFF)), hn::Set(di, 0x7F800000));
    const auto sign = hn::ShiftLeft<16>(hn::Xor(bits, magnitude));
    return hn::BitCast(d, hn::Or(hn::Or(hn::BitCast(di, finite), exponent), sign));
}
#endif

/// The first `count` < Lanes(d) elements, then zeros. Copies, so that nothing beyond the array is read.
template <class D, typename Element>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> loadFirstFloats(D d, const Element* data, std::size_t count) {
    HWY_ALIGN Element elements[HWY_MAX_BYTES / sizeof(float)] = {};
    std::memcpy(elements, data, count * sizeof(Element));
    return loadFloats(d, elements);
}

/// Writes the first `count` < Lanes(d) lanes.
template <class D>
HWY_INLINE void storeFirstFloats(D d, hwy::HWY_NAMESPACE::Vec<D> vector, float* data, std::size_t count) {
    HWY_ALIGN float elements[HWY_MAX_BYTES / sizeof(float)];
    hwy::HWY_NAMESPACE::Store(vector, d, elements);
    std::memcpy(data, elements, count * sizeof(float));
}

}  // namespace mixoscope::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
