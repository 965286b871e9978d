// SPDX-License-Identifier: Apache-2.0
// The one place where a value is rounded: binary32 -> the nearest members of a FloatFormat's grid, in integers only, so
// that it is exact, the same on host and device, and vectorises. With x = significand * 2^(e - 150), quantum
// 2^(max(e', emin) - M) and `drop` = log2(quantum) in units of the last place of x: result = (significand + increment)
// with the low `drop` bits cleared. IEEE 754-2019 sections 4.3 and 7.4 (directions, overflow); the stochastic mode is
// variant A of IEEE P3109 (interim report 4.0), that is, truncated to N bits: P(up) = floor(2^N tail / quantum) / 2^N.
#pragma once

#include <cstdint>

#include "precision/float_format.h"
#include "precision/random_bits.h"
#include "precision/rounding.h"

namespace precipice {

// A FloatFormat and its Overflow reduced to what the inner loop needs. "Pattern" is the binary32 encoding without its
// sign: patterns of non-negative numbers are ordered as the numbers are, and infinity is below every NaN. Exponents are
// binary32 fields.
struct FormatConstants {
  std::int32_t normal_drop;      // 23 - M: significand bits that a normal result does not keep
  std::int32_t drop_origin;      // a number with exponent e drops max(drop_origin - e, normal_drop) bits
  std::int32_t lowest_exponent;  // at least 1; from this one on at most 24 bits are dropped
  std::int32_t smallest;         // pattern of the smallest nonzero result
  std::int32_t min_normal;       // pattern of the smallest normal
  std::int32_t max_finite;       // pattern of the largest finite value
  std::int32_t overflow;         // pattern of what lies beyond: max_finite, infinity or NaN
  std::uint32_t sign_of_zero;    // sign bit that a zero may have: none for fnuz
};

FormatConstants prepare(const FloatFormat& format, Overflow overflow);

inline constexpr std::int32_t kInfinityPattern = 0x7F800000;
inline constexpr std::uint32_t kSignBit = 0x80000000u;

// Whether the stochastic mode carries. The tail as a 32-bit fraction of the quantum goes up when fraction + random
// carries out of 32 bits. With the random word's low 32 - N bits cleared, the fraction's low bits cannot take part in a
// carry, so that exactly floor(2^N tail / quantum) of the 2^N words go up.
PRECIPICE_HD constexpr bool carries(std::int32_t pattern, const FormatConstants& format, std::uint32_t random,
                                    int random_bits) {
  const std::int32_t field = pattern >> 23;
  const std::int32_t exponent = field > 1 ? field : 1;
  const std::uint32_t significand = static_cast<std::uint32_t>(pattern - ((exponent - 1) << 23));
  const std::int32_t lifted = format.drop_origin - exponent;
  const std::int32_t drop = lifted > format.normal_drop ? lifted : format.normal_drop;
  // Left-aligning the tail by 32 - drop pushes the kept bits out; in two shifts, as 32 in one is undefined. Beyond 31
  // dropped bits the significand, all of it tail, is truncated; it has 24 bits: a shift of 31 stands for all larger.
  const std::uint32_t left = (significand << 1) << ((31 - drop) & 31);
  const std::uint32_t right = significand >> (drop < 63 ? (drop - 32) & 31 : 31);
  const std::uint32_t fraction = drop < 32 ? left : right;
  const std::uint32_t used = random & (0xFFFFFFFFu << (32 - random_bits));
  return fraction > ~used;
}

// Rounds with unbounded exponent above. A result below `smallest` stands for zero. NaNs stay above infinity.
template <Rounding R>
PRECIPICE_HD constexpr std::uint32_t round_pattern(std::int32_t pattern, bool negative, const FormatConstants& format,
                                                   std::uint32_t random, int random_bits) {
  // 1. pattern = base + significand, where the significand (below 2^24) has its implicit bit. A binary32 subnormal has
  //    exponent 1 and no implicit bit; with base = 0 the same line gives that.
  const std::int32_t field = pattern >> 23;
  const std::int32_t exponent = field > format.lowest_exponent ? field : format.lowest_exponent;
  const std::int32_t base = (exponent - 1) << 23;

  // 2. `drop` bits of it lie below the quantum: 24 when |x| is in [quantum / 2, quantum). Smaller numbers, those with
  // an
  //    exponent below the lowest, matter only as being zero or not. For them the difference is below 2^23, under half
  //    of the 2^24 that the quantum then is, and stands for the significand once it is made positive where x is.
  const std::int32_t lifted = format.drop_origin - exponent;
  const std::int32_t drop = lifted > format.normal_drop ? lifted : format.normal_drop;
  const std::int32_t nonzero = pattern < 1 ? pattern : 1;
  const std::int32_t difference = pattern - base;
  const std::int32_t significand = difference > nonzero ? difference : nonzero;
  const std::int32_t mask = (1 << drop) - 1;

  // 3. The increment decides the direction: `mask` carries into the quantum whenever the tail is not zero, 0 never
  //    does. For nearest-even, half a quantum less one carries when the tail is above half, and an odd last kept bit
  //    adds the one that makes a tie carry; `& mask` keeps that bit out when nothing is dropped (fp32 to fp32).
  std::int32_t increment = 0;
  if constexpr (R == Rounding::NearestEven) increment = (mask >> 1) + ((significand >> drop) & mask & 1);
  if constexpr (R == Rounding::NearestAway) increment = (mask >> 1) + (mask & 1);
  if constexpr (R == Rounding::Up) increment = negative ? 0 : mask;
  if constexpr (R == Rounding::Down) increment = negative ? mask : 0;
  if constexpr (R == Rounding::ToOdd) increment = ((significand >> drop) & 1) != 0 ? 0 : mask;
  if constexpr (R == Rounding::Stochastic) increment = carries(pattern, format, random, random_bits) ? mask : 0;

  // 4. The sum is the pattern of the result: a carry out of the significand walks into the exponent, by one field as 24
  //    bits are dropped at most. When nothing is left of the significand the sum is base, which is 0 or, with 24
  //    dropped bits, two fields below the quantum.
  const std::int32_t rounded = (significand + increment) & ~mask;
  return static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(rounded);
}

struct Rounded {
  float value;
  std::int32_t beyond;  // 1: above the largest finite value after rounding with unbounded exponent; or infinity, NaN
};

// Zeros keep their sign except in fnuz; flushing happens after rounding to the grid with subnormals; a NaN comes back
// bit for bit. Infinity is exact in every direction, so the inward modes treat it as the others do.
template <Rounding R>
PRECIPICE_HD constexpr Rounded round_and_check(float x, const FormatConstants& format, std::uint32_t random,
                                               int random_bits) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x);
  const bool negative = (bits & kSignBit) != 0;
  const std::int32_t pattern = static_cast<std::int32_t>(bits & ~kSignBit);
  const std::uint32_t unbounded = round_pattern<R>(pattern, negative, format, random, random_bits);

  bool inward = R == Rounding::TowardZero || R == Rounding::ToOdd;
  if constexpr (R == Rounding::Up) inward = negative;
  if constexpr (R == Rounding::Down) inward = !negative;
  const bool clamps = inward & (pattern < kInfinityPattern);
  const auto overflowed = static_cast<std::uint32_t>(clamps ? format.max_finite : format.overflow);
  // All ones when beyond: a mask in arithmetic, since with a condition in its place g++ 12 builds a branch and then
  // does not vectorise the loop. A NaN may have rounded up to 2^31; the difference is negative for it too.
  const std::int32_t beyond =
      static_cast<std::int32_t>(static_cast<std::uint32_t>(format.max_finite) - unbounded) >> 31;
  const std::uint32_t bounded = unbounded ^ ((unbounded ^ overflowed) & static_cast<std::uint32_t>(beyond));

  const bool is_zero = static_cast<std::int32_t>(bounded) < format.smallest;
  const std::uint32_t number = is_zero ? 0 : bounded;
  const std::uint32_t sign = bits & (is_zero ? format.sign_of_zero : kSignBit);

  const std::uint32_t result = pattern > kInfinityPattern ? bits : number | sign;
  return {__builtin_bit_cast(float, result), -beyond};
}

// `random` and `random_bits` (1..32, the high ones are used) matter to Rounding::Stochastic only.
template <Rounding R>
PRECIPICE_HD constexpr float round_to_format(float x, const FormatConstants& format, std::uint32_t random = 0,
                                             int random_bits = 32) {
  return round_and_check<R>(x, format, random, random_bits).value;
}

}  // namespace precipice
