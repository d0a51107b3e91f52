// The language of the kernels: CUDA's own where nvcc compiles them, else the same names for the host, where each CUDA
// thread is a fiber (kernels/host_cuda). Both may be part of one program: the namespace MIXO_KERNELS keeps them apart.
#pragma once

#ifdef __CUDACC__
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#define MIXO_NOT_INLINE __noinline__
#define MIXO_KERNELS on_device
#else
#include "kernels/host_cuda/cuda_host.h"
#define MIXO_NOT_INLINE inline
#define MIXO_KERNELS on_host
#endif
