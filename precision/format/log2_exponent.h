// SPDX-License-Identifier: Apache-2.0
// Exponents of binary32 numbers as scaling recipes take them, in integers: exact, or by a logarithm that was rounded to
// binary32 first. The latter is what floor(log2(x)) is in PyTorch: log2 of a number a little below 2^k rounds to k when
// it is nearer than half a unit in the last place of k, that is for n ulp with n <= 2^j ln 2, where 2^(j-24) is half
// the spacing of binary32 below k. The same on the upper side for the ceiling. Used by microxcaling mx/mx_ops.py
// _shared_exponents, MS-AMP common/tensor/meta.py, torchao float8_utils.py.
#pragma once

#include <bit>
#include <cstdint>

namespace precipice {

// A positive finite number between two powers of two: 2^floor_log2 <= v < 2^(floor_log2 + 1), and its distances from
// them in units of 2^(floor_log2 - 23), the spacing of normal numbers there.
struct Binade {
  int floor_log2;
  std::int32_t above;  // from 2^floor_log2
  std::int32_t below;  // to 2^(floor_log2 + 1)
};

constexpr Binade binade_of(float v) {
  const auto pattern = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(v) & 0x7FFFFFFFu);
  int field = pattern >> 23;
  std::int32_t significand = field > 0 ? (pattern & 0x7FFFFF) | 0x800000 : pattern;
  if (field == 0) {
    const int shift = 24 - static_cast<int>(std::bit_width(static_cast<std::uint32_t>(significand)));
    significand <<= shift;
    field = 1 - shift;
  }
  return {field - 127, significand - 0x800000, 0x1000000 - significand};
}

// The exponent field less its bias: floor(log2 v) of a normal number, -127 for zero and subnormals, 128 for infinity
// and NaN.
constexpr int exponent_field_of(float v) {
  return static_cast<int>((std::bit_cast<std::uint32_t>(v) >> 23) & 0xFFu) - 127;
}

constexpr bool has_mantissa(float v) {
  return (std::bit_cast<std::uint32_t>(v) & 0x7FFFFFu) != 0;
}

// floor(2^j ln 2), j = -1 .. 7.
constexpr std::int32_t ulps_of_half_spacing(int j) {
  constexpr std::int32_t kUlps[] = {0, 0, 1, 2, 5, 11, 22, 44, 88};
  return kUlps[j + 1];
}

// How many ulp below 2^k, in the spacing of the binade below it, log2 still rounds to k.
constexpr std::int32_t ulps_that_round_up_to(int k) {
  if (k == 0) return 0;
  return ulps_of_half_spacing(std::bit_width(static_cast<std::uint32_t>(k > 0 ? k - 1 : -k)) - 1);
}

// floor(fl(log2 v)) of a positive finite v.
constexpr int floor_of_rounded_log2(float v) {
  const Binade binade = binade_of(v);
  const int next = binade.floor_log2 + 1;
  return binade.below <= ulps_that_round_up_to(next) ? next : binade.floor_log2;
}

// ceil(fl(log2 v)) of a positive finite v.
constexpr int ceil_of_rounded_log2(float v) {
  const Binade binade = binade_of(v);
  const int k = binade.floor_log2;
  std::int32_t ulps = 0;
  if (k > 0) ulps = ulps_of_half_spacing(std::bit_width(static_cast<std::uint32_t>(k)) - 2);
  if (k < -1) ulps = ulps_of_half_spacing(std::bit_width(static_cast<std::uint32_t>(-k - 1)) - 2);
  return binade.above <= ulps ? k : k + 1;
}

// The same for a logarithm that is rounded to bf16 after that: half the spacing of bf16 below k is 2^-h, and a number
// rounds up to k from 2^24 (1 - 2^(-2^-h)) ulp below 2^k on.
constexpr std::int32_t units_below_bf16(int k) {
  if (k == 0) return 0;
  constexpr std::int32_t kUlps[] = {0, 4913932, 2669315, 1392441, 711298, 359501, 180723, 90606, 45364, 22697};
  return kUlps[9 - std::bit_width(static_cast<std::uint32_t>(k > 0 ? k - 1 : -k))];
}

// floor(bf16(fl(log2 v))), as when the peer's tensors are bf16.
constexpr int floor_of_bf16_log2(float v) {
  const Binade binade = binade_of(v);
  const int next = binade.floor_log2 + 1;
  return binade.below <= units_below_bf16(next) ? next : binade.floor_log2;
}

// 2^k as a binary32 number: zero below the subnormals, infinity beyond the largest.
constexpr float power_of_two(int k) {
  if (k > 127) return std::bit_cast<float>(0x7F800000u);
  if (k >= -126) return std::bit_cast<float>(static_cast<std::uint32_t>(k + 127) << 23);
  return k >= -149 ? std::bit_cast<float>(std::uint32_t{1} << (k + 149)) : 0.0f;
}

// 2^floor(log2 v) of a v that is not negative: its exponent field alone, or a subnormal number's highest bit. Zero and
// infinity are their own, NaN gives infinity.
constexpr float floor_power_of_two(float v) {
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(v) & 0xFF800000u;
  if (exponent == 0) [[unlikely]]
    return v == 0.0f ? 0.0f : power_of_two(binade_of(v).floor_log2);
  return std::bit_cast<float>(exponent);
}

}  // namespace precipice
