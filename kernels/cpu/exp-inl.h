// exp() of a vector to about one unit in the last place, for one instruction set at a time.

#if defined(MIXO_KERNELS_CPU_EXP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef MIXO_KERNELS_CPU_EXP_INL_H
#undef MIXO_KERNELS_CPU_EXP_INL_H
#else
#define MIXO_KERNELS_CPU_EXP_INL_H
#endif

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace mixoscope::kernels::cpu::HWY_NAMESPACE {

template <class D, class V>
HWY_INLINE V expOf(D d, V x) {
    namespace hn = hwy::HWY_NAMESPACE;
    // Highway's exp turns NaN into 0, which would hide a broken weight, and converts it to an integer, which is
    // undefined without vector instructions.
    const auto nan = hn::IsNaN(x);
    return hn::IfThenElse(nan, x, hn::Exp(d, hn::IfThenZeroElse(nan, x)));
}

}  // namespace mixoscope::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
