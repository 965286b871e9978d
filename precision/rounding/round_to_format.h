// SPDX-License-Identifier: Apache-2.0
// The one place where a value is rounded: binary32 or binary64 -> the nearest members of a FloatFormat's grid, in
// integers only, so that it is exact, the same on host and device, and vectorises. With x = significand * 2^(e - bias -
// 23) (52 for binary64), quantum 2^(max(e', emin) - M) and `drop` = log2(quantum) in units of the last place of x:
// result = (significand + increment) with the low `drop` bits cleared. IEEE 754-2019 sections 4.3 and 7.4 (directions,
// overflow); stochastic modes: IEEE P3109 interim report 4.0.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/format/float_format.h"
#include "precision/rounding/random_bits.h"
#include "precision/rounding/rounding.h"

namespace precipice {

// Where values come from. "Pattern" is the encoding without its sign: patterns of non-negative numbers are ordered as
// the numbers are, and infinity is below every NaN. "Field" is a biased exponent.
struct Binary32 {
  using Float = float;
  using Int = std::int32_t;
  using Uint = std::uint32_t;
  static constexpr int kMantissa = 23, kBias = 127;
  static constexpr Int kInfinity = 0x7F800000, kQuietNan = 0x7FC00000;
};
struct Binary64 {
  using Float = double;
  using Int = std::int64_t;
  using Uint = std::uint64_t;
  static constexpr int kMantissa = 52, kBias = 1023;
  static constexpr Int kInfinity = 0x7FF0000000000000, kQuietNan = 0x7FF8000000000000;
};

// A FloatFormat and its Overflow reduced to what the inner loop needs, in the terms of the source.
template <class Source>
struct FormatConstantsOf {
  using Int = typename Source::Int;
  using Uint = typename Source::Uint;
  // One direction: what bounds it, as patterns.
  struct Range {
    Int max_finite;  // largest finite magnitude; -1: every nonzero number is beyond
    Int overflow;    // what stands for finite numbers beyond it: max_finite, infinity or NaN
    Int infinity;    // what stands for infinity
  };

  Int normal_drop;      // significand bits that a normal result does not keep
  Int drop_origin;      // a number with field e drops max(drop_origin - e, normal_drop) bits
  Int lowest_exponent;  // at least 1; from this one on at most kMantissa + 1 bits are dropped
  Int smallest;         // pattern of the smallest nonzero result
  Int min_normal;       // pattern of the smallest normal
  Range positive;
  Uint sign_of_zero;  // sign bit that a zero may have

  // The rest matters only when `general` is set, to the formats that need it.
  bool general;
  Range negative;
  Uint sign_of_number;  // sign bit that other results may have: none for unsigned
  Int below_smallest;   // pattern of a result below `smallest`: 0, or `smallest` in a format without zero
  Int input_floor;      // inputs with patterns below it count as zero
  Int shallow_below;    // numbers with fields below it drop one bit less: 1 for e8m0, whose 2^-127 is subnormal, or 0
  Int even_field;       // with M = 0: a field of which the code is even, 0 or 1; else -1
};
using FormatConstants = FormatConstantsOf<Binary32>;
using WideFormatConstants = FormatConstantsOf<Binary64>;

FormatConstants prepare(const FloatFormat& format, Overflow overflow);
WideFormatConstants prepare_wide(const FloatFormat& format, Overflow overflow);

inline constexpr std::int32_t kInfinityPattern = Binary32::kInfinity;
inline constexpr std::uint32_t kSignBit = 0x80000000u;

// Bits to drop from a number with this field (1 for subnormals in `exponent`).
template <bool General, class Constants, class Int>
PRECIPICE_HD constexpr Int bits_to_drop(const Constants& format, Int field, Int exponent) {
  const Int lifted = format.drop_origin - exponent;
  const Int drop = lifted > format.normal_drop ? lifted : format.normal_drop;
  return General ? drop - static_cast<Int>(field < format.shallow_below) : drop;
}

// Whether variant A carries, for binary32. The tail as a 32-bit fraction of the quantum goes up when fraction + random
// carries out of 32 bits. With the random word's low 32 - N bits cleared, the fraction's low bits cannot take part in a
// carry, so that exactly floor(2^N tail / quantum) of the 2^N words go up.
PRECIPICE_HD constexpr bool carries_in_32_bits(std::uint32_t significand, std::int32_t drop, std::uint32_t random,
                                               int random_bits) {
  // The significand has 24 bits. Left-aligned with 24 - drop more places the kept bits are pushed out; beyond 24
  // dropped bits it is all tail and goes to the right instead, beyond 55 out of the fraction.
  const std::int32_t kept = 24 - drop;
  const std::int32_t left = kept > 0 ? kept : 0, right = left - kept;
  const std::uint32_t aligned = (significand << 8) << left;
  const std::uint32_t fraction = right < 32 ? aligned >> (right & 31) : 0;
  const std::uint32_t used = random & (0xFFFFFFFFu << (32 - random_bits));
  return fraction > ~used;
}

// Whether a stochastic mode carries. The tail becomes a 64-bit fraction of the quantum whose last bit stands for all
// that is below it, which no variant can tell from the exact tail: with N <= 32 they look at 34 bits and at "anything
// below".
template <Rounding R>
PRECIPICE_HD constexpr bool carries_in_64_bits(std::uint64_t significand, std::int64_t drop, std::uint32_t random,
                                               int random_bits) {
  const std::uint64_t left = (significand << 1) << ((63 - drop) & 63);
  const std::int64_t right_shift = drop < 64 ? 0 : drop > 127 ? 63 : drop - 64;
  const std::uint64_t right = significand >> right_shift;
  const bool lost = (right << right_shift) != significand;
  const std::uint64_t fraction = drop < 64 ? left : right | (lost ? 1u : 0u);
  const std::uint64_t word = random >> (32 - random_bits);
  const std::uint64_t one = std::uint64_t{1} << random_bits;
  const std::uint64_t kept = fraction >> (64 - random_bits);
  if constexpr (R == Rounding::Stochastic) return kept + word >= one;
  const std::uint64_t half = (fraction >> (63 - random_bits)) & 1;
  // floor(2^(N+1) d) + 2R + 1 >= 2^(N+1)
  if constexpr (R == Rounding::StochasticB) return 2 * kept + half + 2 * word + 1 >= 2 * one;
  const bool above_half = (fraction << (random_bits + 1)) != 0;  // N + 1 <= 33
  return kept + (half != 0 && (above_half || (kept & 1) != 0) ? 1 : 0) + word >= one;
}

template <Rounding R, bool General, class Source>
PRECIPICE_HD constexpr bool carries(typename Source::Int pattern, const FormatConstantsOf<Source>& format,
                                    std::uint32_t random, int random_bits) {
  using Int = typename Source::Int;
  using Uint = typename Source::Uint;
  const Int field = pattern >> Source::kMantissa;
  const Int exponent = field > 1 ? field : 1;
  const auto significand = static_cast<Uint>(pattern - ((exponent - 1) << Source::kMantissa));
  const Int drop = bits_to_drop<General>(format, field, exponent);
  if constexpr (R == Rounding::Stochastic && Source::kMantissa == Binary32::kMantissa)
    return carries_in_32_bits(significand, drop, random, random_bits);
  return carries_in_64_bits<R>(significand, drop, random, random_bits);
}

// 1 where the code of the kept bits is odd: their last bit, but with M = 0, where that is the implicit one, the last
// bit of the exponent (P3109's CodeIsEven).
template <bool General, class Constants, class Int>
PRECIPICE_HD constexpr Int odd_code(const Constants& format, Int field, Int kept) {
  if constexpr (!General) return kept & 1;
  return kept & ((field ^ format.even_field) | (format.even_field >> 1)) & 1;
}

// Rounds with unbounded exponent above. A result below `smallest` stands for zero. NaNs stay above infinity.
template <Rounding R, bool General, class Source>
PRECIPICE_HD constexpr typename Source::Uint round_pattern(typename Source::Int pattern, bool negative,
                                                           const FormatConstantsOf<Source>& format,
                                                           std::uint32_t random, int random_bits) {
  using Int = typename Source::Int;
  using Uint = typename Source::Uint;
  // 1. pattern = base + significand, where the significand (below 2^24 or 2^53) has its implicit bit.
  //    A subnormal number has exponent 1 and no implicit bit; with base = 0 the same line gives that.
  const Int field = pattern >> Source::kMantissa;
  const Int exponent = field > format.lowest_exponent ? field : format.lowest_exponent;
  const Int base = (exponent - 1) << Source::kMantissa;

  // 2. `drop` bits of it lie below the quantum: kMantissa + 1 when |x| is in [quantum / 2, quantum). Smaller numbers,
  //    those with an exponent below the lowest, matter only as being zero or not. For them the difference is below
  //    2^kMantissa, under half of the quantum that then is, and stands for the significand once it is made positive
  //    where x is.
  const Int drop = bits_to_drop<General>(format, field, exponent);
  const Int nonzero = pattern < 1 ? pattern : 1;
  const Int difference = pattern - base;
  const Int significand = difference > nonzero ? difference : nonzero;
  const Int mask = (Int{1} << drop) - 1;

  // 3. The increment decides the direction: `mask` carries into the quantum whenever the tail is not zero, 0 never
  //    does. For nearest-even, half a quantum less one carries when the tail is above half, and an odd code adds the
  //    one that makes a tie carry; `& mask` keeps that bit out when nothing is dropped (fp32 to fp32).
  Int increment = 0;
  if constexpr (R == Rounding::NearestEven)
    increment = (mask >> 1) + (odd_code<General>(format, field, significand >> drop) & mask);
  if constexpr (R == Rounding::NearestAway) increment = (mask >> 1) + (mask & 1);
  if constexpr (R == Rounding::Up) increment = negative ? 0 : mask;
  if constexpr (R == Rounding::Down) increment = negative ? mask : 0;
  if constexpr (R == Rounding::ToOdd) increment = odd_code<General>(format, field, significand >> drop) != 0 ? 0 : mask;
  if constexpr (is_stochastic(R))
    increment = carries<R, General, Source>(pattern, format, random, random_bits) ? mask : 0;

  // 4. The sum is the pattern of the result: a carry out of the significand walks into the exponent, by one field as
  //    kMantissa + 1 bits are dropped at most. When nothing is left of the significand the sum is base, which is 0 or,
  //    with kMantissa + 1 dropped bits, two fields below the quantum.
  const Int rounded = (significand + increment) & ~mask;
  return static_cast<Uint>(base) + static_cast<Uint>(rounded);
}

// Exact: a result of rounding is a binary32 number. NaNs keep the high bits of their payload and become quiet.
PRECIPICE_HD constexpr float narrow(std::uint64_t bits) {
  const auto sign = static_cast<std::uint32_t>(bits >> 32) & kSignBit;
  const auto pattern = static_cast<std::int64_t>(bits & 0x7FFFFFFFFFFFFFFFu);
  const std::uint32_t nan = sign | 0x7FC00000u | (static_cast<std::uint32_t>(bits >> 29) & 0x3FFFFFu);
  const auto number = __builtin_bit_cast(std::uint32_t, static_cast<float>(__builtin_bit_cast(double, bits)));
  return __builtin_bit_cast(float, pattern > Binary64::kInfinity ? nan : number);
}
PRECIPICE_HD constexpr float narrow(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

// Whether a finite number beyond the range becomes the largest finite value whatever the policy: where the mode rounds
// toward zero, numbers with this sign at least.
template <Rounding R>
PRECIPICE_HD constexpr bool rounds_inward(bool negative) {
  if constexpr (R == Rounding::Up) return negative;
  if constexpr (R == Rounding::Down) return !negative;
  return R == Rounding::TowardZero || R == Rounding::ToOdd;
}

struct Rounded {
  float value;
  std::int32_t beyond;  // 1: outside the finite range after rounding with unbounded exponent; or infinity, NaN
};

// Zeros keep their sign where the format has two; flushing happens after rounding to the grid with subnormals; a
// binary32 NaN comes back bit for bit. Infinity is exact in every direction, so the inward modes treat it as the others
// do. General = false leaves out what only formats with `general` set need.
template <Rounding R, bool General = true, class Source = Binary32>
PRECIPICE_HD constexpr Rounded round_and_check(typename Source::Float x, const FormatConstantsOf<Source>& format,
                                               std::uint32_t random, int random_bits) {
  using Int = typename Source::Int;
  using Uint = typename Source::Uint;
  constexpr Uint kSign = Uint{1} << (8 * sizeof(Uint) - 1);
  const Uint bits = __builtin_bit_cast(Uint, x);
  Int pattern = static_cast<Int>(bits & ~kSign);
  const Int input_floor = format.input_floor, smallest = format.smallest;
  if constexpr (General) pattern = pattern < input_floor ? 0 : pattern;
  bool negative = (bits & kSign) != 0;
  // A zero of either sign is in every range, and a NaN in none.
  if constexpr (General) negative = negative & (static_cast<Uint>(pattern - 1) < static_cast<Uint>(Source::kInfinity));
  Uint unbounded = round_pattern<R, General, Source>(pattern, negative, format, random, random_bits);
  // What stands for zero is in every range.
  if constexpr (General) unbounded = unbounded < static_cast<Uint>(smallest) ? 0 : unbounded;

  Int max_finite = format.positive.max_finite, overflow = format.positive.overflow, infinity = format.positive.infinity;
  if constexpr (General) {
    // Selected in arithmetic: g++ 12 makes branches of conditions on members of a struct.
    const Int which = -static_cast<Int>(negative);
    max_finite ^= (max_finite ^ format.negative.max_finite) & which;
    overflow ^= (overflow ^ format.negative.overflow) & which;
    infinity ^= (infinity ^ format.negative.infinity) & which;
  }
  bool inward = rounds_inward<R>(negative);
  // Where every nonzero number is beyond there is no finite value to turn back to.
  if constexpr (General) inward = static_cast<bool>(static_cast<int>(inward) & static_cast<int>(max_finite >= 0));
  const Int finite = inward ? max_finite : overflow;
  const auto overflowed = static_cast<Uint>(pattern < Source::kInfinity ? finite : infinity);
  // All ones when beyond: a mask in arithmetic, since with a condition in its place g++ 12 builds a branch and then
  // does not vectorise the loop. A NaN may have rounded up to the sign bit; the difference is negative for it too.
  const Int beyond = static_cast<Int>(static_cast<Uint>(max_finite) - unbounded) >> (8 * sizeof(Int) - 1);
  const Uint bounded = unbounded ^ ((unbounded ^ overflowed) & static_cast<Uint>(beyond));

  const bool is_zero = static_cast<Int>(bounded) < smallest;
  const Uint below_smallest = General ? static_cast<Uint>(format.below_smallest) : 0;
  const Uint sign_of_zero = format.sign_of_zero, sign_of_number = General ? format.sign_of_number : kSign;
  const Uint number = is_zero ? below_smallest : bounded;
  const Uint sign = bits & (is_zero ? sign_of_zero : sign_of_number);

  const Uint result = pattern > Source::kInfinity ? bits : number | sign;
  return {narrow(result), static_cast<std::int32_t>(-beyond)};
}

// `random` and `random_bits` (1..32, the high ones are used) matter to the stochastic modes only.
template <Rounding R>
PRECIPICE_HD constexpr float round_to_format(float x, const FormatConstants& format, std::uint32_t random = 0,
                                             int random_bits = 32) {
  return round_and_check<R>(x, format, random, random_bits).value;
}
template <Rounding R>
PRECIPICE_HD constexpr float round_to_format(double x, const WideFormatConstants& format, std::uint32_t random = 0,
                                             int random_bits = 32) {
  return round_and_check<R, true, Binary64>(x, format, random, random_bits).value;
}

}  // namespace precipice
