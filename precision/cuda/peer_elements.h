// SPDX-License-Identifier: Apache-2.0
// Elements of peers that do not round as IEEE 754 does, one by one: microxcaling's elemwise_ops.py and DeepGEMM's
// _quantize_to_fp4_e2m1, with the bits and events of the CPU's loops (precision/kernels/block_kernels-inl.h). Host and device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/cuda/matrix_parts.h"
#include "precision/cuda/quantize_launch.h"
#include "precision/format/log2_exponent.h"
#include "precision/scaling/matrix_call.h"

namespace precipice {

// Whole places of the element's grid, back at their size. Exponents are those of the peer, by rounded logarithms.
PRECIPICE_HD float microxcaling_magnitude(const MatrixCall& call, float magnitude) {
  const MicroxcalingElement& element = call.microxcaling;
  const std::int32_t lowest = element.fixed_point ? 0 : element.lowest_exponent,
                     highest = element.fixed_point ? 0 : 128;
  std::int32_t exponent = lowest;
  if (magnitude > 0.0f) {
    exponent = call.products_through_bf16 ? floor_of_bf16_log2(magnitude) : floor_of_rounded_log2(magnitude);
    exponent = exponent > lowest ? exponent : lowest;
    exponent = exponent < highest ? exponent : highest;
  }
  const std::int32_t shift = element.fraction_bits - exponent;
  const float up = __builtin_bit_cast(float, (shift + 127) << 23),
              down = __builtin_bit_cast(float, (127 - shift) << 23);
  const float u = magnitude * up;
  float to_floor = u;
  if (element.rounding != 2) to_floor = call.products_through_bf16 ? to_bf16(call, u + 0.5f) : u + 0.5f;
  auto r = static_cast<float>(static_cast<std::int32_t>(to_floor));
  if (element.rounding == 0) {
    // A tie of which the lower neighbour is even: u - 1/2 is an even number (and exact then).
    const float under = u - 0.5f;
    const auto whole = static_cast<std::int32_t>(under);
    if (under >= 0.0f && static_cast<float>(whole) == under && (whole & 1) == 0) r -= 1.0f;
  }
  return r * down;
}

PRECIPICE_HD float microxcaling_element(const MatrixCall& call, float x, float product, LaunchCounts& counts) {
  const float y = call.products_through_bf16 ? to_bf16(call, product) : product;
  const std::int32_t before = pattern_in<Binary32>(x), pattern = pattern_in<Binary32>(y);
  const bool is_number = pattern < kInfinityPattern;
  counts.events.nan_in += before > kInfinityPattern;
  counts.events.overflowed += !is_number & (before <= kInfinityPattern);
  if (!is_number) return y;
  const float unbounded = microxcaling_magnitude(call, __builtin_bit_cast(float, pattern));
  const bool is_beyond = unbounded > call.microxcaling.max;
  const float bounded = is_beyond ? call.microxcaling.max : unbounded;
  counts.events.saturated += is_beyond;
  counts.events.underflowed += (bounded == 0.0f) & (before != 0);
  counts.events.subnormal += (bounded > 0.0f) & (bounded < call.microxcaling.min_normal);
  return y < 0.0f ? -bounded : bounded;
}

// Ties toward zero, no minus zero; a NaN gives 6, for which no comparison is true.
PRECIPICE_HD float deepgemm_element(float x, float y, LaunchCounts& counts) {
  const float a = __builtin_bit_cast(float, pattern_in<Binary32>(y));
  float value = 6.0f;
  if (a <= 5.0f) value = 4.0f;
  if (a <= 3.5f) value = 3.0f;
  if (a <= 2.5f) value = 2.0f;
  if (a <= 1.75f) value = 1.5f;
  if (a <= 1.25f) value = 1.0f;
  if (a <= 0.75f) value = 0.5f;
  if (a <= 0.25f) value = 0.0f;
  counts.events.nan_in += pattern_in<Binary32>(x) > kInfinityPattern;
  counts.events.saturated += a > 7.0f;
  counts.events.underflowed += (value == 0.0f) & (pattern_in<Binary32>(x) != 0);
  counts.events.subnormal += value == 0.5f;
  return y < 0.0f && value > 0.0f ? -value : value;
}

}  // namespace precipice
