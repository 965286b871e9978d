// SPDX-License-Identifier: Apache-2.0
// CUDA's type of bf16 numbers on the CPU, as much of it as this tree's kernels use: numbers go in and out as patterns.
#pragma once

struct alignas(2) __nv_bfloat16 {
  unsigned short bits;
};

inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return {bits};
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 number) {
  return number.bits;
}
