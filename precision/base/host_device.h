// SPDX-License-Identifier: Apache-2.0
// What marks functions and loops that host and device share: compiled by g++ and Clang for the CPU, by nvcc for both.
#pragma once

#if defined(__CUDACC__)
#define PRECIPICE_HD __host__ __device__ __forceinline__
#else
#define PRECIPICE_HD inline __attribute__((always_inline))
#endif

#if defined(__CUDACC__)
#define PRECIPICE_UNROLL_16  // nvcc unrolls by itself, and its host compiler knows no pragma of its own
#elif defined(__clang__)
#define PRECIPICE_UNROLL_16 _Pragma("unroll 16")
#else
#define PRECIPICE_UNROLL_16 _Pragma("GCC unroll 16")
#endif
