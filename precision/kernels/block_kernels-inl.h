// SPDX-License-Identifier: Apache-2.0
// The loops of block_kernels.h, included once per instruction set inside that set's namespace, before quantize-inl.h
// and under the same rules: internal linkage, nothing called that is not always_inline or a constant. Expects
// quantize_isa.h, block_kernels.h, hadamard_matrix.h, log2_exponent.h and vector.h to be included.

#include "precision/kernels/block_amax-inl.h"
#include "precision/kernels/fast_rounding-inl.h"
#include "precision/kernels/hadamard_kernels-inl.h"

namespace {

// out[i] = values[i / (16 kVectors)]
template <int kVectors>
void expand_to_vectors(const float* values, float* out, std::int64_t blocks) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    for (int i = 0; i < 16 * kVectors; ++i) out[16 * kVectors * b + i] = values[b];
  }
}

void expand(const float* values, std::int64_t width, float* out, std::int64_t size) {
  if (width == 16 && size % 16 == 0) return expand_to_vectors<1>(values, out, size / 16);
  if (width == 32 && size % 32 == 0) return expand_to_vectors<2>(values, out, size / 32);
  if (width % 16 == 0 && size % width == 0) {
    for (float* const end = out + size; out < end; ++values) {
      for (const float* const block_end = out + width; out < block_end; out += 16) {
        for (int i = 0; i < 16; ++i) out[i] = *values;
      }
    }
    return;
  }
  std::int64_t i = 0;
  for (std::int64_t b = 0; i < size; ++b) {
    const std::int64_t end = (b + 1) * width < size ? (b + 1) * width : size;
    for (; i < end; ++i) out[i] = values[b];
  }
}

void to_bf16(const float* in, float* out, std::int64_t size) {
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < size; ++i) out[i] = bf16_of(in[i]);
}

template <int kRounding, bool kBf16, bool kLog>
EventCounts microxcaling_as(const float* in, float* out, std::int64_t size, const float* multipliers,
                            const MicroxcalingElement& element) {
  // Scalars, which `out` cannot alias.
  const float max = element.max, min_normal = element.min_normal;
  const std::int32_t lowest = element.fixed_point ? 0 : element.lowest_exponent;
  const std::int32_t highest = element.fixed_point ? 0 : 128, fraction_bits = element.fraction_bits;
  std::int32_t nan_in = 0, overflowed = 0, saturated = 0, underflowed = 0, subnormal = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < size; ++i) {
    const float x = in[i];
    float y = x * multipliers[i];
    if constexpr (kBf16) y = bf16_of(y);
    const std::int32_t pattern = pattern_of(y), before = pattern_of(x);
    const bool is_number = pattern < 0x7F800000;
    const float magnitude = __builtin_bit_cast(float, is_number ? pattern : 0);
    const float unbounded = microxcaling_magnitude<kRounding, kBf16, kLog>(magnitude, lowest, highest, fraction_bits);
    const bool is_beyond = unbounded > max;
    const float bounded = is_beyond ? max : unbounded;
    // sign(-0) is 0, so that -0 becomes +0; a negative number that rounds to zero keeps its sign.
    const float number = y < 0.0f ? -bounded : bounded;
    const float q = is_number ? number : y;
    out[i] = q;
    nan_in += before > 0x7F800000;
    overflowed += !is_number & (before <= 0x7F800000);
    saturated += is_beyond;
    underflowed += (pattern_of(q) == 0) & (before != 0);
    subnormal += (bounded > 0.0f) & (bounded < min_normal);
  }
  return events_of(nan_in, nan_in + overflowed, nan_in + overflowed + saturated, underflowed, subnormal);
}

template <bool kBf16>
EventCounts microxcaling_in(const float* in, float* out, std::int64_t size, const float* multipliers,
                            const MicroxcalingElement& element) {
  const bool log = kBf16 || element.fraction_bits > 14;
  if (element.rounding == 2) return microxcaling_as<2, kBf16, true>(in, out, size, multipliers, element);
  if (element.rounding == 1)
    return log ? microxcaling_as<1, kBf16, true>(in, out, size, multipliers, element)
               : microxcaling_as<1, kBf16, kBf16>(in, out, size, multipliers, element);
  return log ? microxcaling_as<0, kBf16, true>(in, out, size, multipliers, element)
             : microxcaling_as<0, kBf16, kBf16>(in, out, size, multipliers, element);
}

EventCounts microxcaling(const float* in, float* out, std::int64_t size, const float* multipliers,
                         const MicroxcalingElement& element, bool in_bf16) {
  return in_bf16 ? microxcaling_in<true>(in, out, size, multipliers, element)
                 : microxcaling_in<false>(in, out, size, multipliers, element);
}

EventCounts deepgemm_fp4(const float* in, float* out, std::int64_t size, const float* multipliers) {
  std::int32_t nan_in = 0, saturated = 0, underflowed = 0, subnormal = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < size; ++i) {
    const float x = in[i], y = x * multipliers[i];
    const float a = __builtin_bit_cast(float, pattern_of(y));
    const float value = deepgemm_fp4_magnitude(a);
    out[i] = y < 0.0f && value > 0.0f ? -value : value;
    nan_in += pattern_of(x) > 0x7F800000;
    saturated += a > 7.0f;  // beyond the midpoint of 6 and the 8 that would follow
    underflowed += (value == 0.0f) & (pattern_of(x) != 0);
    subnormal += value == 0.5f;
  }
  return events_of(nan_in, nan_in, nan_in + saturated, underflowed, subnormal);
}

}  // namespace

#include "precision/kernels/nvfp4_kernels-inl.h"

namespace {

constexpr BlockKernels kBlockKernels = {amax_of_blocks, amax_of_columns, expand,      rotate_row,
                                        rotate_columns, to_bf16,         pack_bf16,   microxcaling,
                                        deepgemm_fp4,   nvfp4_scales,    nvfp4_errors};

}  // namespace
