// The instruction sets that the kernels are compiled for. Include before any Highway header.
#pragma once

// Left out: sets between two others that would double compile time for little (SSSE3, AVX3_DL), and those whose vectors
// have no fixed size, because tiles keep their vectors in arrays.
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif
