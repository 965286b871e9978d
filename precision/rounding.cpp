// SPDX-License-Identifier: Apache-2.0
// Spellings of the rounding modes and overflow policies, and a format's constants as round_to_format wants them.
#include "precision/rounding.h"

#include <algorithm>

#include "precision/round_to_format.h"
#include "precision/spellings.h"

namespace precipice {
namespace {

constexpr Spellings<Rounding, 7> kRoundings{{{"rne", Rounding::NearestEven},
                                             {"rna", Rounding::NearestAway},
                                             {"rtz", Rounding::TowardZero},
                                             {"rup", Rounding::Up},
                                             {"rdn", Rounding::Down},
                                             {"rto", Rounding::ToOdd},
                                             {"sr", Rounding::Stochastic}}};

constexpr Spellings<Overflow, 2> kOverflows{{{"saturate", Overflow::Saturate}, {"native", Overflow::Native}}};

std::int32_t pattern(float magnitude) {
  return __builtin_bit_cast(std::int32_t, magnitude);
}

}  // namespace

Rounding parse_rounding(std::string_view text) {
  return parse_spelling("rounding", text, kRoundings);
}
Overflow parse_overflow(std::string_view text) {
  return parse_spelling("overflow", text, kOverflows);
}
std::string to_string(Rounding rounding) {
  return spelling_of(rounding, kRoundings);
}
std::string to_string(Overflow overflow) {
  return spelling_of(overflow, kOverflows);
}

FormatConstants prepare(const FloatFormat& format, Overflow overflow) {
  validate(format);
  constexpr std::int32_t kNanPattern = 0x7FC00000;
  FormatConstants constants{};
  constants.normal_drop = 23 - format.mantissa_bits;
  constants.drop_origin = format.emin() + 127 + constants.normal_drop;
  constants.lowest_exponent = std::max(1, constants.drop_origin - 24);
  constants.smallest = pattern(format.min_subnormal());
  constants.min_normal = pattern(format.min_normal());
  constants.max_finite = pattern(format.max_finite());
  const bool saturates = overflow == Overflow::Saturate || !(format.has_infinity() || format.has_nan());
  constants.overflow = saturates ? constants.max_finite : format.has_infinity() ? kInfinityPattern : kNanPattern;
  constants.sign_of_zero = format.specials == Specials::Fnuz ? 0 : kSignBit;
  return constants;
}

}  // namespace precipice
