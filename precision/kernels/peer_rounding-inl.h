// SPDX-License-Identifier: Apache-2.0
// The rounding of magnitudes by peers that do not round as IEEE 754 does, beside the fast paths of fast_rounding-inl.h,
// which includes this file.

namespace {

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
  const std::int32_t pattern = pattern_of(magnitude);
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

// E2M1 with ties toward zero: boundaries are the midpoints, and a comparison that is not true of NaN either gives 6.
PRECIPICE_HD float deepgemm_fp4_magnitude(float a) {
  float value = !(a <= 0.25f) ? 0.5f : 0.0f;
  value += !(a <= 0.75f) ? 0.5f : 0.0f;
  value += !(a <= 1.25f) ? 0.5f : 0.0f;
  value += !(a <= 1.75f) ? 0.5f : 0.0f;
  value += !(a <= 2.5f) ? 1.0f : 0.0f;
  value += !(a <= 3.5f) ? 1.0f : 0.0f;
  value += !(a <= 5.0f) ? 2.0f : 0.0f;
  return value;
}

}  // namespace
