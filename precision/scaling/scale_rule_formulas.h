// SPDX-License-Identifier: Apache-2.0
// The formulas of scale_rules.h, of one block each, for host and device. Divisions are divisions and products products: the
// last bit is part of a recipe. scale_rules.cpp has the sources and the table of the rules.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "precision/base/host_device.h"
#include "precision/format/log2_exponent.h"
#include "precision/rounding/round_to_format.h"
#include "precision/scaling/scale_formulas.h"
#include "precision/scaling/scale_rules.h"

namespace precipice::scale_rule {

inline constexpr float kFltMax = std::numeric_limits<float>::max();
inline constexpr float kBf16Max = 0x1.FEp127f;
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// torch's minimum and maximum: NaN wins.
PRECIPICE_HD float smaller(float a, float b) {
  return std::isnan(a) || a < b ? a : b;
}
PRECIPICE_HD float larger(float a, float b) {
  return std::isnan(a) || a > b ? a : b;
}

// 2^floor(fl(log2 s)), and what torch makes of it for zero, infinity and NaN.
PRECIPICE_HD float power_of_rounded_log2(float s) {
  if (!(s > 0.0f) || std::isinf(s)) return s;
  return power_of_two(floor_of_rounded_log2(s));
}

PRECIPICE_HD BlockScale te_scale(const ScaleConstants& c, float amax) {
  const float a = amax < static_cast<float>(c.floor) ? static_cast<float>(c.floor) : amax;
  const float s = te_current_scale({.amax = a, .max_finite = c.max}, c.power_of_two);
  return {s, 1.0f / s};
}

// CurrentScalingQuantizerRef and scale_from_amax_tensor: infinities and NaNs go through the formula.
PRECIPICE_HD BlockScale te_python_scale(const ScaleConstants& c, float amax) {
  const float a = amax < static_cast<float>(c.floor) ? static_cast<float>(c.floor) : amax;
  float s = c.max / a;
  if (std::isinf(s)) s = c.through_bf16 ? kBf16Max : kFltMax;
  if (c.power_of_two) {
    s = std::isnan(s) ? 0.5f : floor_power_of_two(s);  // frexp(NaN) has exponent 0
  }
  if (a == 0.0f) s = 1.0f;
  return {s, 1.0f / s};
}

PRECIPICE_HD BlockScale torchao_scale(const ScaleConstants& c, float amax) {
  const double wide = static_cast<double>(amax);
  const double a = std::isnan(wide) || wide > c.floor ? wide : c.floor;
  // blockwise_fp8_training divides in Triton; the others are Python's number / tensor, reciprocal times number.
  const double max = static_cast<double>(c.max);
  float s = static_cast<float>(c.is_of_blocks ? max / a : max * (1.0 / a));
  if (c.power_of_two) s = power_of_rounded_log2(s);
  return {s, 1.0f / s};
}

PRECIPICE_HD int clamped_up8(float sf) {
  // From the bits alone, as the peer has it: NaN counts as something above infinity.
  return std::clamp(exponent_field_of(sf) + 127 + (has_mantissa(sf) ? 1 : 0), 1, 254);
}

PRECIPICE_HD BlockScale deepgemm_scale(const ScaleConstants& c, float amax) {
  float sf = larger(amax, static_cast<float>(c.floor)) / c.max;
  if (c.power_of_two || c.rule == ScaleRule::Rceil) sf = power_of_two(clamped_up8(sf) - 127);
  if (sf == 0.0f) return {};  // amax_floor = 0 and a block of zeros
  return {c.arithmetic == Arithmetic::DeepSeek ? sf : 1.0f / sf, sf};
}

PRECIPICE_HD BlockScale ms_amp_block_scale(const ScaleConstants& c, float amax) {
  const float s = ms_amp_scale({.amax = amax, .max_finite = c.max}, c.previous_scale);
  return {s, 1.0f / s};
}

// In arithmetic, for loops over many blocks to vectorise: g++ makes branches of conditions.
PRECIPICE_HD std::uint32_t choose(bool condition, std::uint32_t yes, std::uint32_t no) {
  const std::uint32_t mask = -static_cast<std::uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}

// 2^(127 - code) and 2^(code - 127): both ends of E8M0 are 2^-127, a subnormal number.
PRECIPICE_HD BlockScale e8m0_scale(std::uint32_t code) {
  constexpr std::uint32_t kSmallest = 0x400000u;  // 2^-127
  const std::uint32_t down = choose(code < 254, (254 - code) << 23, kSmallest);
  const std::uint32_t up = choose(code > 0, code << 23, kSmallest);
  const std::uint32_t nan = choose(code > 254, 0x7FC00000u, 0);
  return {__builtin_bit_cast(float, down | nan), __builtin_bit_cast(float, up | nan)};
}

// The pattern of amax rounded to the element's mantissa bits, half up: bits += half a place, cleared below.
PRECIPICE_HD std::uint32_t rounded_to_mantissa(std::uint32_t amax, int mantissa_bits) {
  const std::uint32_t half = 1u << (22 - mantissa_bits);
  return (amax + half) & ~(2 * half - 1);
}

// `end`: end_of_e8m0.
template <ScaleRule kRule>
PRECIPICE_HD std::uint32_t mx_code(const ScaleConstants& c, float amax, std::uint32_t end) {
  constexpr std::uint32_t kInfinityBits = 0x7F800000u;
  auto pattern = __builtin_bit_cast(std::uint32_t, kRule == ScaleRule::Rceil ? amax * c.reciprocal_max : amax);
  if (kRule == ScaleRule::Even)
    pattern = choose(pattern < kInfinityBits, rounded_to_mantissa(pattern, c.mantissa_bits), pattern);
  std::uint32_t code;
  if (kRule == ScaleRule::Rceil) {
    // The smallest code c <= 254 with 2^(c - 127) >= v, from v's bits: one more than the exponent field where there is
    // a mantissa. Below the normal numbers 2^-127 is the one power of two.
    code = std::min((pattern + choose(pattern < 0x800000u, 0x3FFFFFu, 0x7FFFFFu)) >> 23, 254u);
  } else {
    const auto k = static_cast<int>((pattern + (kRule == ScaleRule::Ceil ? 0x7FFFFFu : 0)) >> 23) - c.emax;
    code = std::min(static_cast<std::uint32_t>(std::max(k, 0)), end);
  }
  code = choose(pattern >= kInfinityBits, end, code);
  return choose(pattern > kInfinityBits, 255, code);
}

// systems-scaling's bump_up_overflow_exponent (arXiv 2506.20752): one more where amax is beyond the end of the
// elements, which is exact, a power of two times max: 1.75 * 2^floor(log2 amax) for E4M3, E5M2 and E3M2.
PRECIPICE_HD bool is_beyond(const ScaleConstants& c, float amax, int exponent) {
  return amax > c.max * power_of_two(std::clamp(exponent, -127, 127));
}

// The code of an infinite amax: torchao spoils the block, te saturates at 2^127.
PRECIPICE_HD std::uint32_t end_of_e8m0(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::Torchao ? 255 : 254;
}

PRECIPICE_HD std::uint32_t bumped_code(const ScaleConstants& c, float amax, std::uint32_t end) {
  const std::uint32_t code = mx_code<ScaleRule::Floor>(c, amax, end);
  return code < end && is_beyond(c, amax, static_cast<int>(code) - 127) ? code + 1 : code;
}

// NVFP4QuantizerRef._quantize_blockwise_reference with pow_2_scales: the rounded logarithm.
PRECIPICE_HD BlockScale te_mxfp4_scale(const ScaleConstants& c, float amax) {
  const float v = amax / c.max;
  if (std::isnan(v)) return {kNan, kNan};
  const int k = v == 0.0f ? -127 : std::isinf(v) ? 127 : std::clamp(ceil_of_rounded_log2(v), -127, 127);
  const float d = power_of_two(k);
  return {1.0f / d, d};
}

PRECIPICE_HD BlockScale microxcaling_scale(const ScaleConstants& c, float amax) {
  if (!std::isfinite(amax)) return {kNan, kNan};
  int exponent;
  if (c.arithmetic == Arithmetic::MicroxcalingCuda) {
    exponent = exponent_field_of(amax);
  } else {
    const float a = amax == 0.0f ? 0x1p-126f : amax;
    exponent = c.through_bf16 ? floor_of_bf16_log2(a) : floor_of_rounded_log2(a);
  }
  int s = exponent - c.emax;
  if (c.exponent_bump && is_beyond(c, amax, s)) ++s;
  if (s > 127) return {kNan, kNan};
  return {power_of_two(std::min(-s, 127)), power_of_two(std::max(s, -127))};
}

PRECIPICE_HD BlockScale shared_exponent_scale(const ScaleConstants& c, float amax) {
  if (!std::isfinite(amax)) return {kNan, kNan};
  if (amax == 0.0f) return {};
  // The limits keep both powers binary32 numbers.
  const int s = std::clamp(binade_of(amax).floor_log2 - c.emax, -127, 127);
  return {power_of_two(-s), power_of_two(s)};
}

PRECIPICE_HD float to_e4m3(const ScaleConstants& c, float x) {
  return round_and_check<Rounding::NearestEven, false>(x, c.e4m3, 0, 32).value;
}

PRECIPICE_HD BlockScale torchao_nvfp4(const ScaleConstants& c, float amax, const OuterScale& outer) {
  float d = amax / 6.0f;
  if (c.two_level) d = d / outer.encode;
  const float sf = to_e4m3(c, smaller(larger(d, 0x1p-6f), 448.0f));
  if (!c.two_level) return {1.0f / sf, sf};
  return {outer.decode / sf, outer.encode * sf};
}

// TransformerEngine's E4M3 block scale nearest to `wanted`, and what follows from it: as BlockKernels::nvfp4_scales
// (block_kernels.h) has them for many at once.
PRECIPICE_HD float te_block_scale(const ScaleConstants& c, float wanted) {
  return to_e4m3(c, smaller(wanted, 448.0f));
}
PRECIPICE_HD BlockScale te_nvfp4_of(const ScaleConstants& c, float block_scale, const OuterScale& outer) {
  const float reciprocal_range = 1.0f / nvfp4_range(c.block_scale_max);
  return {smaller(1.0f / (block_scale * outer.decode), kFltMax), block_scale * outer.amax * reciprocal_range};
}
PRECIPICE_HD BlockScale te_nvfp4(const ScaleConstants& c, float amax, const OuterScale& outer) {
  constexpr float kSixth = 1.0f / 6.0f;
  const float encode_sixth = outer.encode * kSixth;
  return te_nvfp4_of(c, te_block_scale(c, amax * encode_sixth), outer);
}

PRECIPICE_HD BlockScale amax_scale(const ScaleConstants& c, float amax) {
  switch (c.arithmetic) {
    case Arithmetic::TePython:
      return te_python_scale(c, amax);
    case Arithmetic::Torchao:
      return torchao_scale(c, amax);
    case Arithmetic::DeepGemm:
    case Arithmetic::DeepSeek:
      return deepgemm_scale(c, amax);
    case Arithmetic::MsAmp:
      return ms_amp_block_scale(c, amax);
    default:
      return te_scale(c, amax);
  }
}

// scale_of() and outer_scale() (scale_rules.h), where only one block is at hand.
PRECIPICE_HD BlockScale of_block(const ScaleConstants& c, float amax, const OuterScale& outer) {
  const std::uint32_t end = end_of_e8m0(c.arithmetic);
  switch (c.rule) {
    case ScaleRule::Amax:
      return amax_scale(c, amax);
    case ScaleRule::Floor:
      if (c.arithmetic == Arithmetic::Microxcaling || c.arithmetic == Arithmetic::MicroxcalingCuda)
        return microxcaling_scale(c, amax);
      return e8m0_scale(c.exponent_bump ? bumped_code(c, amax, end) : mx_code<ScaleRule::Floor>(c, amax, end));
    case ScaleRule::Ceil:
      return e8m0_scale(mx_code<ScaleRule::Ceil>(c, amax, end));
    case ScaleRule::Rceil:
      if (c.arithmetic == Arithmetic::DeepGemm) return deepgemm_scale(c, amax);
      if (c.rounded_log2_mxfp4) return te_mxfp4_scale(c, amax);
      return e8m0_scale(mx_code<ScaleRule::Rceil>(c, amax, end));
    case ScaleRule::Even:
      return e8m0_scale(mx_code<ScaleRule::Even>(c, amax, end));
    case ScaleRule::Nvfp4:
      return c.arithmetic == Arithmetic::Torchao ? torchao_nvfp4(c, amax, outer) : te_nvfp4(c, amax, outer);
    case ScaleRule::SharedExponent:
      return shared_exponent_scale(c, amax);
  }
  return {};
}

PRECIPICE_HD OuterScale of_tensor(const ScaleConstants& c, float amax) {
  if (c.arithmetic == Arithmetic::Torchao) {
    const float p = nvfp4_outer_scale(amax, c.block_scale_max);
    return {amax, p, 1.0f / p};
  }
  float encode = smaller(nvfp4_range(c.block_scale_max) / amax, kFltMax);
  if (encode == 0.0f) encode = 1.0f;
  return {amax, encode, 1.0f / encode};
}

}  // namespace precipice::scale_rule
