// SPDX-License-Identifier: Apache-2.0
// Loops of block scaling that are compiled once per instruction set (block_kernels-inl.h) and reached through
// QuantizeKernels: amaxes of blocks, the Hadamard transform, and the element rounding of the peers that do not round as
// IEEE 754 does.
#pragma once

#include <cstdint>

#include "precision/kernels/event_counts.h"

namespace precipice {

// microxcaling's element format as its code sees it.
struct MicroxcalingElement {
  std::int32_t lowest_exponent;  // 1 - bias; fixed point: the one exponent that there is
  bool fixed_point;
  int fraction_bits;  // places after the point: M, or that of fixed point
  float max, min_normal;
  int rounding;  // 0 even, 1 nearest (ties away), 2 floor (toward zero)
};

// The tensor's (or row's) part of NVFP4's scales, as TransformerEngine has it.
struct Nvfp4Outer {
  float decode, amax, reciprocal_range;
};

struct BlockKernels {
  // patterns[b] = max(patterns[b], patterns of |row[i]|) over the elements of block b = i / width. NaNs are largest.
  void (*amax_of_blocks)(const float* row, std::int64_t cols, std::int64_t width, std::int32_t* patterns);
  // patterns[i] = max(patterns[i], patterns of |column i|) over rows that are `stride` apart.
  void (*amax_of_columns)(const float* in, std::int64_t rows, std::int64_t stride, std::int64_t cols,
                          std::int32_t* patterns);
  // out[i] = values[i / width].
  void (*expand)(const float* values, std::int64_t width, float* out, std::int64_t size);
  // Rotates `groups` groups of 16 successive numbers; in may be out.
  void (*rotate_row)(const float* in, float* out, std::int64_t groups);
  // Rotates the columns of 16 rows that are `stride` apart; in may be out.
  void (*rotate_columns)(const float* in, float* out, std::int64_t cols, std::int64_t stride);
  void (*to_bf16)(const float* in, float* out, std::int64_t size);
  // Numbers that are bf16 ones already, as such; a NaN stays one. The binary32 pattern of the smallest nonzero
  // magnitude, less one.
  std::uint32_t (*pack_bf16)(const float* in, std::uint16_t* out, std::int64_t size);
  // out = element arithmetic of in * multipliers; in may be out. Multipliers are powers of two or NaN. The events leave
  // out total and amax.
  EventCounts (*microxcaling)(const float* in, float* out, std::int64_t size, const float* multipliers,
                              const MicroxcalingElement& element, bool in_bf16);
  // E2M1 with ties toward zero and no minus zero (DeepGEMM _quantize_to_fp4_e2m1; NaN gives 6, as bucketize has it).
  EventCounts (*deepgemm_fp4)(const float* in, float* out, std::int64_t size, const float* multipliers);
  // E4M3 block scales nearest to wanted[i], at most 448, and what elements and grid values are multiplied by then.
  void (*nvfp4_scales)(const float* wanted, std::int64_t count, const Nvfp4Outer& outer, float* block_scales,
                       float* multiply, float* inverse);
  // errors[i] = |fl(fl(fl(q sf) amax) / range) - x|, or its square, with q = e2m1(fl(x multipliers[i])).
  void (*nvfp4_errors)(const float* in, std::int64_t size, const float* multipliers, const float* block_scales,
                       float amax, float range, bool squared, float* errors);
};

}  // namespace precipice
