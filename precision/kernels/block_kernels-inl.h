// SPDX-License-Identifier: Apache-2.0
// The loops of block_kernels.h, included once per instruction set inside that set's namespace, before quantize-inl.h
// and under the same rules: internal linkage, nothing called that is not always_inline or a constant. Expects
// precision/{quantize_isa,block_kernels,hadamard,log2_exponent}.h to be included, and Ints in the surrounding
// namespace.

#include "precision/kernels/vectors-inl.h"
// They expect it.
#include "precision/kernels/block_amax-inl.h"
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

// Nearest even; a NaN keeps its high bits and stays one.
PRECIPICE_HD float bf16_of(float x) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u;
  const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return __builtin_bit_cast(float, is_nan ? (bits | 0x400000u) & 0xFFFF0000u : rounded);
}

void to_bf16(const float* in, float* out, std::int64_t size) {
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < size; ++i) out[i] = bf16_of(in[i]);
}

std::uint32_t pack_bf16(const float* in, std::uint16_t* out, std::int64_t size) {
  std::uint32_t smallest = ~0u;
  for (std::int64_t i = 0; i < size; ++i) {
    const auto bits = __builtin_bit_cast(std::uint32_t, in[i]);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
    const std::uint32_t quiet = magnitude > 0x7F800000u ? 0x400000u : 0u;
    out[i] = static_cast<std::uint16_t>((bits | quiet) >> 16);
    const std::uint32_t less_one = magnitude - 1;  // zero wraps around to the largest
    smallest = less_one < smallest ? less_one : smallest;
  }
  return smallest;
}

// Of numbers that pack_bf16 gives, or has given: what it returns.
std::uint32_t smallest_of_packed(const std::uint16_t* packed, std::int64_t size) {
  std::uint32_t smallest = ~0u;
  for (std::int64_t i = 0; i < size; ++i) {
    const std::uint32_t less_one = ((packed[i] & 0x7FFFu) << 16) - 1;  // zero wraps around to the largest
    smallest = less_one < smallest ? less_one : smallest;
  }
  return smallest;
}

// How far below 2^next, in units of the binade below it, a number's rounded logarithm is `next`: what
// ulps_that_round_up_to and units_below_bf16 say, as sums of steps that vectorise.
struct LogSteps {
  std::int32_t first, at[9];  // at m = 0, and what each m >= 2^i adds
};
constexpr LogSteps log_steps(bool in_bf16) {
  LogSteps steps{};
  const auto units = [in_bf16](int next) { return in_bf16 ? units_below_bf16(next) : ulps_that_round_up_to(next); };
  // next = m + 1; a next of 0 is apart, and the negative ones have m = -next.
  steps.first = units(1);
  for (int i = 0; i < 7; ++i) steps.at[i] = units((1 << i) + 1) - units(i == 0 ? 1 : (1 << (i - 1)) + 1);
  return steps;
}
constexpr LogSteps kLogSteps = log_steps(false), kBf16LogSteps = log_steps(true);

template <bool kBf16>
PRECIPICE_HD std::int32_t units_below(std::int32_t next) {
  const LogSteps& steps = kBf16 ? kBf16LogSteps : kLogSteps;
  // In arithmetic and written out: g++ 12 makes branches of conditions and loops in here. m = -next is ~(next - 1).
  const std::int32_t before = next - 1, m = before ^ (before >> 31);
  const auto step = [&](int i) { return -static_cast<std::int32_t>(m >= 1 << i) & steps.at[i]; };
  const std::int32_t units = steps.first + step(0) + step(1) + step(2) + step(3) + step(4) + step(5) + step(6);
  return -static_cast<std::int32_t>(next != 0) & units;
}

// elemwise_ops.py _quantize_elemwise_core and _round_mantissa, of a magnitude that was scaled. kRounding as in
// MicroxcalingElement. Without kLog exponents come from bits: a number whose rounded logarithm is the next exponent is
// so near to that power of two that it is rounded to it from either side, but for truncation, bf16 arithmetic, and more
// than 14 places.
template <int kRounding, bool kBf16, bool kLog>
PRECIPICE_HD float microxcaling_magnitude(float magnitude, std::int32_t lowest, std::int32_t highest,
                                          std::int32_t fraction_bits) {
  const std::int32_t pattern = magnitude_of(magnitude);
  std::int32_t exponent = (pattern >> 23) - 127;
  if constexpr (kLog) {
    const std::int32_t below = 0x800000 - (pattern & 0x7FFFFF);
    exponent += static_cast<std::int32_t>(below <= units_below<kBf16>(exponent + 1));
  }
  exponent = exponent > lowest ? exponent : lowest;
  exponent = exponent < highest ? exponent : highest;
  // Both factors are powers of two in range for every format: the products are exact.
  const std::int32_t shift = fraction_bits - exponent;
  const float up = __builtin_bit_cast(float, (shift + 127) << 23),
              down = __builtin_bit_cast(float, (127 - shift) << 23);
  const float u = magnitude * up;
  float to_floor = u;
  if constexpr (kRounding != 2) to_floor = kBf16 ? bf16_of(u + 0.5f) : u + 0.5f;
  float r = static_cast<float>(static_cast<std::int32_t>(to_floor));
  if constexpr (kRounding == 0) {
    // A tie of which the lower neighbour is even: u - 1/2 is an even number (and exact then).
    const float under = u - 0.5f;
    const auto whole = static_cast<std::int32_t>(under);
    const std::int32_t is_whole = static_cast<std::int32_t>(static_cast<float>(whole) == under);
    r -= static_cast<float>(static_cast<std::int32_t>(under >= 0.0f) & is_whole & ~whole & 1);
  }
  return r * down;
}

template <int kRounding, bool kBf16, bool kLog>
ElementCounts microxcaling_as(const float* in, float* out, std::int64_t size, const float* multipliers,
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
    const std::int32_t pattern = magnitude_of(y), before = magnitude_of(x);
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
    underflowed += (magnitude_of(q) == 0) & (before != 0);
    subnormal += (bounded > 0.0f) & (bounded < min_normal);
  }
  return {nan_in, overflowed, saturated, underflowed, subnormal};
}

template <bool kBf16>
ElementCounts microxcaling_in(const float* in, float* out, std::int64_t size, const float* multipliers,
                              const MicroxcalingElement& element) {
  const bool log = kBf16 || element.fraction_bits > 14;
  if (element.rounding == 2) return microxcaling_as<2, kBf16, true>(in, out, size, multipliers, element);
  if (element.rounding == 1)
    return log ? microxcaling_as<1, kBf16, true>(in, out, size, multipliers, element)
               : microxcaling_as<1, kBf16, kBf16>(in, out, size, multipliers, element);
  return log ? microxcaling_as<0, kBf16, true>(in, out, size, multipliers, element)
             : microxcaling_as<0, kBf16, kBf16>(in, out, size, multipliers, element);
}

ElementCounts microxcaling(const float* in, float* out, std::int64_t size, const float* multipliers,
                           const MicroxcalingElement& element, bool in_bf16) {
  return in_bf16 ? microxcaling_in<true>(in, out, size, multipliers, element)
                 : microxcaling_in<false>(in, out, size, multipliers, element);
}

ElementCounts deepgemm_fp4(const float* in, float* out, std::int64_t size, const float* multipliers) {
  std::int32_t nan_in = 0, saturated = 0, underflowed = 0, subnormal = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < size; ++i) {
    const float x = in[i], y = x * multipliers[i];
    const float a = __builtin_bit_cast(float, magnitude_of(y));
    // Boundaries are the midpoints; a comparison that is not true of NaN either.
    float value = !(a <= 0.25f) ? 0.5f : 0.0f;
    value += !(a <= 0.75f) ? 0.5f : 0.0f;
    value += !(a <= 1.25f) ? 0.5f : 0.0f;
    value += !(a <= 1.75f) ? 0.5f : 0.0f;
    value += !(a <= 2.5f) ? 1.0f : 0.0f;
    value += !(a <= 3.5f) ? 1.0f : 0.0f;
    value += !(a <= 5.0f) ? 2.0f : 0.0f;
    out[i] = y < 0.0f && value > 0.0f ? -value : value;
    nan_in += magnitude_of(x) > 0x7F800000;
    saturated += a > 7.0f;  // beyond the midpoint of 6 and the 8 that would follow
    underflowed += (value == 0.0f) & (magnitude_of(x) != 0);
    subnormal += value == 0.5f;
  }
  return {nan_in, 0, saturated, underflowed, subnormal};
}

}  // namespace

#include "precision/kernels/nvfp4_kernels-inl.h"

namespace {

constexpr BlockKernels kBlockKernels = {amax_of_blocks, amax_of_columns, expand,      rotate_row,
                                        rotate_columns, to_bf16,         pack_bf16,   microxcaling,
                                        deepgemm_fp4,   nvfp4_scales,    nvfp4_errors};

}  // namespace
