// SPDX-License-Identifier: Apache-2.0
// The fast paths of rounding, side by side. round_to_format.h is the definition; the loops of this folder take one of
// the paths below where it gives the definition's bits, which the loop finds out first, or where it stands for a peer
// that rounds in its own way. tests/precision/ has the proofs, on every instruction set; `scripts/plant_mistakes` puts
// mistakes into each path and shows that they are caught.
//
//   path                  gives the bits of                           where                             proven by
//   nearest_bf16          rne to bf16 with its infinities             numbers and infinities: every     kernels/fast_rounding_test
//                                                                     upper half and kind of lower half
//   quiet_bf16, bf16_of   the same; NaN keeps its high bits and       everywhere                        kernels/fast_rounding_test
//                         becomes quiet
//   scale_to_bf16,        the same after a product with the scale     everywhere                        kernels/fast_rounding_test,
//   scale_to_packed_bf16                                                                                kernels/quantize_test
//   pack_bf16             a bf16 number's upper half; NaN stays one   bf16 numbers                      kernels/fast_rounding_test,
//                                                                                                       kernels/quantize_test
//   round_finite          every mode but rne and sr                   formats that are not `general`,   kernels/quantize_presets_test,
//                                                                     products below infinity           rounding/exhaustive_test
//   NearestByAddition     rne                                         0 < M < 23, not `general`,        the same
//                                                                     products below 2^(105 + M)
//   StochasticByCutting   sr                                          M < 23, not `general`, products   kernels/quantize_test,
//                                                                     below infinity                    kernels/quantize_presets_test
//   e4m3_of               rne to E4M3                                 0 to 448, and NaN                 kernels/fast_rounding_test
//   e2m1_of               rne to E2M1, saturating                     everywhere, NaN stays             kernels/fast_rounding_test
//   microxcaling_magnitude  its peer's elemwise_ops.py: not the       the peer's own                    scaling/mx_scaling_test
//                         definition (a half is added and cut off)
//   deepgemm_fp4_magnitude  its peer's _quantize_to_fp4_e2m1: not     the peer's own                    scaling/mx_scaling_test
//                         the definition (ties go toward zero)
//
// Apart from these stands accumulator/accumulate-inl.h, whose registers hold whole numbers of units and are cut by
// other rules (accumulator.h); where it rounds to a format it calls the definition.
// Included by one file per instruction set, inside that set's namespace, by block_kernels-inl.h and under its rules.
// Expects quantize_isa.h, bf16_bits.h, log2_exponent.h and vector.h. Integers wrap (-fwrapv): patterns of infinity and NaN in what
// is done again, and 2^31, which is its own negative.

namespace {

// --- bf16: 7 mantissa bits, binary32's exponents. ---

// Nearest even in the upper half; the lower half is left as it comes out. The tail's carry walks through the
// exponent into infinity by itself. NaN is the caller's.
PRECIPICE_HD std::uint32_t nearest_bf16(std::uint32_t bits) {
  return bits + 0x7FFFu + ((bits >> 16) & 1u);
}

// The same, and a NaN keeps its high bits and becomes quiet.
PRECIPICE_HD std::uint32_t quiet_bf16(std::uint32_t bits) {
  return is_nan_pattern(bits) ? bits | 0x400000u : nearest_bf16(bits);
}

PRECIPICE_HD float bf16_of(float x) {
  return __builtin_bit_cast(float, quiet_bf16(__builtin_bit_cast(std::uint32_t, x)) & 0xFFFF0000u);
}

// Where nothing is counted: the largest pattern of the input. A NaN stays as the product leaves it.
std::int32_t scale_to_bf16(const float* in, float* out, int size, float scale) {
  std::int32_t largest = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const float x = in[i];
    const auto bits = __builtin_bit_cast(std::uint32_t, x * scale);
    out[i] = __builtin_bit_cast(float, is_nan_pattern(bits) ? bits : nearest_bf16(bits) & 0xFFFF0000u);
    largest = larger(pattern_of(x), largest);
  }
  return largest;
}

struct PackedEnds {
  std::int32_t largest;    // pattern before the scale
  std::uint32_t smallest;  // as smallest_of_packed
};

// The same, packed in the same pass.
PackedEnds scale_to_packed_bf16(const float* in, std::uint16_t* out, int size, float scale) {
  PackedEnds ends{0, ~0u};
  for (int i = 0; i < size; ++i) {
    const float x = in[i];
    const std::uint32_t rounded = quiet_bf16(__builtin_bit_cast(std::uint32_t, x * scale));
    out[i] = static_cast<std::uint16_t>(rounded >> 16);
    const std::uint32_t less_one = (rounded & 0x7FFF0000u) - 1;  // zero wraps around to the largest
    ends.largest = larger(pattern_of(x), ends.largest);
    ends.smallest = less_one < ends.smallest ? less_one : ends.smallest;
  }
  return ends;
}

// Numbers that are bf16 ones already. The binary32 pattern of the smallest nonzero magnitude, less one.
std::uint32_t pack_bf16(const float* in, std::uint16_t* out, std::int64_t size) {
  std::uint32_t smallest = ~0u;
  for (std::int64_t i = 0; i < size; ++i) {
    const auto bits = __builtin_bit_cast(std::uint32_t, in[i]);
    out[i] = bf16_bits(bits);
    const std::uint32_t less_one = (bits & 0x7FFFFFFFu) - 1;  // zero wraps around to the largest
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

// --- Numbers that stay finite, in any mode. ---

// The definition without what only NaN and infinity at the input, and `general` formats, need: round_pattern is its.
template <Rounding R, bool kCount>
EventCounts round_finite_as(const float* in, float* out, int size, const QuantizeCall& call,
                            const std::uint32_t* words) {
  const FormatConstants format = call.format;
  const int random_bits = call.random_bits;
  const float scale = call.scale;
  const std::uint32_t subnormals = call.subnormal_patterns;
  const std::int32_t max_finite = format.positive.max_finite, overflow = format.positive.overflow;
  const std::int32_t smallest = format.smallest;
  const std::uint32_t sign_of_zero = format.sign_of_zero;
  constexpr bool kOneSided = rounds_inward<R>(true) != rounds_inward<R>(false);
  std::int32_t beyond = 0, nonfinite_out = 0, underflowed = 0, subnormal = 0;
  PRECIPICE_INDEPENDENT_LOOP
  for (int i = 0; i < size; ++i) {
    const float x = in[i];
    const auto bits = __builtin_bit_cast(std::uint32_t, x * scale);
    const auto pattern = static_cast<std::int32_t>(bits & ~kSignBit);
    const bool negative = (bits & kSignBit) != 0;
    const auto rounded = static_cast<std::int32_t>(
        round_pattern<R, false, Binary32>(pattern, negative, format, is_stochastic(R) ? words[i] : 0, random_bits));
    const std::int32_t end = rounds_inward<R>(negative) ? max_finite : overflow;
    const bool is_beyond = rounded > max_finite, is_zero = rounded < smallest;
    const std::int32_t bounded = is_beyond ? end : rounded;
    const std::int32_t number = is_zero ? 0 : bounded;
    const std::uint32_t sign = bits & (is_zero ? sign_of_zero : kSignBit);
    out[i] = __builtin_bit_cast(float, static_cast<std::uint32_t>(number) | sign);
    if constexpr (!kCount) continue;
    beyond += is_beyond;
    if constexpr (kOneSided) nonfinite_out += number >= kInfinityPattern;
    underflowed += is_zero & (pattern_of(x) != 0);
    subnormal += static_cast<std::uint32_t>(number - 1) < subnormals;
  }
  // With one end for both signs there is nothing to count one by one.
  if constexpr (!kOneSided && !rounds_inward<R>(false)) nonfinite_out = overflow >= kInfinityPattern ? beyond : 0;
  return events_of(0, nonfinite_out, beyond, underflowed, subnormal);
}

template <Rounding R>
EventCounts round_finite(const float* in, float* out, int size, const QuantizeCall& call, const std::uint32_t* words) {
  return call.count ? round_finite_as<R, true>(in, out, size, call, words)
                    : round_finite_as<R, false>(in, out, size, call, words);
}

// --- Nearest even by the processor's own rounding. ---

// In y + c, with c the power of two whose last place is the quantum of y, the sum lies between c and 2c and is rounded
// to that place, ties to even; the difference is exact. The significands of c + y and of y itself are even together as
// c is 2^23 quanta. y is not negative; `lowest` is the pattern of the lowest binade with a quantum of its own, and
// `places` = (23 - M) << 23 leads from a binade to its c. Needs M <= 22, so that y <= 2^23 quanta, c <= 2^127, and
// M > 0 for ties, as odd_code has it. NaN stays NaN. Numbers or vectors.
template <class Real, class Int>
PRECIPICE_HD Real nearest_by_addition(Real y, Int lowest, Int places) {
  const Real c = as_floats(larger(as_ints(y) & 0x7F800000, lowest) + places);
  return (y + c) - c;
}

// As vector_rounding-inl.h calls it: patterns of magnitudes, in the format's range and beyond it.
struct NearestByAddition {
  Ints lowest_binade, to_last_place;
  std::int32_t mixed = 0;
  static constexpr bool all_normal = false;  // not looked at

  explicit PRECIPICE_HD NearestByAddition(const QuantizeCall& call)
      : lowest_binade(all((call.format.drop_origin - call.format.normal_drop) << 23)),
        to_last_place(all(call.format.normal_drop << 23)) {}

  PRECIPICE_HD Ints operator()(Ints pattern, const std::uint32_t* /*words*/) const {
    return as_ints(nearest_by_addition(as_floats(pattern), lowest_binade, to_last_place));
  }
};

// To E4M3 of a number from 0 to 448: 2^-6 is the smallest normal, and 3 mantissa bits.
PRECIPICE_HD float e4m3_of(float y) {
  return nearest_by_addition(y, (127 - 6) << 23, 20 << 23);
}

// To E2M1, whose end is 6, of any numbers; signs stay, and NaN. By vectors: g++ makes branches of the bound in a plain
// loop.
PRECIPICE_HD Floats e2m1_of(Floats y) {
  const Ints pattern = as_ints(y) & 0x7FFFFFFF, six = all(0x40C00000), bounded = pattern < six ? pattern : six;
  const Ints rounded = as_ints(nearest_by_addition(as_floats(bounded), all(127 << 23), all(22 << 23)));
  const Ints nan = (pattern > all(0x7F800000)) & 0x7FC00000;
  return as_floats(rounded | nan | (as_ints(y) & ~0x7FFFFFFF));
}

// --- Stochastic rounding, variant A. ---

// The pattern cut at the quantum, and one quantum more if the tail carries. Patterns are linear within a binade and
// continue in the next, so both hold for normal and subnormal numbers; below the smallest quantum there is nothing to
// cut at, and the sum is 0 or that quantum. Where all numbers are normal ones of the format, the carry is that of
// adding the word's high bits to the tail. kMixed: vectors with smaller ones are common, and a branch on them would be
// guessed wrong.
template <bool kMixed>
struct StochasticByCutting {
  Ints unused_bits, tail_bits, last_place, origin, normal_drop, min_normal, smallest_quantum;
  std::int32_t drop, mixed = 0;
  bool all_normal = false;  // of the last vector: nothing in it is small, so that there is nothing to count

  explicit PRECIPICE_HD StochasticByCutting(const QuantizeCall& call)
      : unused_bits(all(static_cast<std::int32_t>(0xFFFFFFFFu >> (call.random_bits - 1) >> 1))),
        tail_bits(all(static_cast<std::int32_t>(~(0xFFFFFFFFu >> (call.random_bits - 1) >> 1) >>
                                                (32 - call.format.normal_drop)))),
        last_place(all(-(1 << call.format.normal_drop))),
        origin(all(call.format.drop_origin)),
        normal_drop(all(call.format.normal_drop)),
        min_normal(all((call.format.drop_origin - call.format.normal_drop) << 23)),
        smallest_quantum(all(call.smallest_quantum)),
        drop(call.format.normal_drop) {}

  PRECIPICE_HD Ints operator()(Ints pattern, const std::uint32_t* words) {
    Ints word;
    __builtin_memcpy(&word, words, sizeof(word));
    const bool is_mixed = any(greater(min_normal, pattern));
    mixed += is_mixed;
    all_normal = !kMixed && !is_mixed;
    if (all_normal) {
      const Ints tail = __builtin_bit_cast(Ints, __builtin_bit_cast(Uints, word) >> (32 - drop)) & tail_bits;
      return (pattern + tail) & last_place;
    }
    // carries_in_32_bits, with shifts that give zero from 32 places on.
    const Ints binade = larger(pattern & 0x7F800000, all(1 << 23));
    const Ints significand = pattern + (1 << 23) - binade;
    const Ints dropped = larger(origin - (binade >> 23), normal_drop);
    const Ints fraction = shift_left(significand, 32 - dropped) | shift_right(significand, dropped - 32);
    const Mask carries = greater_unsigned(fraction, ~word | unused_bits);
    const Ints kept = shift_left(all(-1), dropped);
    const Mask below = greater(smallest_quantum, pattern);
    const Ints cut = select(below, Ints{}, pattern & kept), step = select(below, smallest_quantum, -kept);
    return select(carries, cut + step, cut);
  }
};

}  // namespace

#include "precision/kernels/peer_rounding-inl.h"
