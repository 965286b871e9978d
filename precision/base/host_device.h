// SPDX-License-Identifier: Apache-2.0
// What marks functions that are always inlined, in loops of every instruction set and on host and device, and loops that
// are unrolled: compiled by g++ and Clang for the CPU, by nvcc for both.
#pragma once

#if defined(__CUDACC__)
#define PRECIPICE_HD __host__ __device__ __forceinline__
#else
#define PRECIPICE_HD inline __attribute__((always_inline))
#endif

// The same for lambdas, after their parameters, and for constructors; of host code alone.
#define PRECIPICE_ALWAYS __attribute__((always_inline))

#if defined(__CUDACC__)
#define PRECIPICE_UNROLL_16  // nvcc unrolls by itself, and its host compiler knows no pragma of its own
#elif defined(__clang__)
#define PRECIPICE_UNROLL_16 _Pragma("unroll 16")
#else
#define PRECIPICE_UNROLL_16 _Pragma("GCC unroll 16")
#endif
