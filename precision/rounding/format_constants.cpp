// SPDX-License-Identifier: Apache-2.0
// A format's constants as round_to_format.h wants them.
#include <algorithm>

#include "precision/rounding/round_to_format.h"

namespace precipice {
namespace {

template <class Source>
typename Source::Int pattern(float magnitude) {
  return __builtin_bit_cast(typename Source::Int, static_cast<typename Source::Float>(magnitude));
}

// The range of one sign that ends at `max_finite`; `has_infinity`: of that sign.
template <class Source>
typename FormatConstantsOf<Source>::Range range(typename Source::Int max_finite, typename Source::Int fallback,
                                                bool has_infinity, bool has_nan, Overflow overflow) {
  const auto special = has_infinity ? Source::kInfinity : has_nan ? Source::kQuietNan : fallback;
  return {max_finite, overflow == Overflow::Native ? special : fallback,
          overflow == Overflow::Saturate ? fallback : special};
}

template <class Source>
FormatConstantsOf<Source> prepare_as(const FloatFormat& format, Overflow overflow) {
  using Int = typename Source::Int;
  using Uint = typename Source::Uint;
  validate(format);
  constexpr Uint kSign = Uint{1} << (8 * sizeof(Uint) - 1);
  FormatConstantsOf<Source> c{};
  c.normal_drop = Source::kMantissa - format.mantissa_bits;
  c.drop_origin = format.emin() + Source::kBias + c.normal_drop;
  c.lowest_exponent = std::max<Int>(1, c.drop_origin - (Source::kMantissa + 1));
  c.smallest = pattern<Source>(format.min_positive());
  c.min_normal = pattern<Source>(format.min_normal());
  const Int largest = pattern<Source>(format.max_finite());
  c.positive = range<Source>(largest, largest, format.has_infinity(), format.has_nan(), overflow);
  c.sign_of_zero = format.has_minus_zero() ? kSign : 0;

  c.negative = c.positive;
  if (format.sign == Sign::Twos) {
    const Int lowest = pattern<Source>(-format.lowest());
    c.negative = range<Source>(lowest, lowest, false, false, overflow);
  } else if (format.sign == Sign::Unsigned) {
    // Without zero nothing is near a negative number.
    c.negative = format.zero ? range<Source>(0, 0, false, format.has_nan(), overflow)
                             : range<Source>(-1, c.smallest, false, format.has_nan(), Overflow::Native);
  }
  c.sign_of_number = format.sign == Sign::Unsigned ? 0 : kSign;
  c.below_smallest = format.zero ? 0 : c.smallest;
  c.input_floor = format.subnormals == Subnormals::FlushInputs ? c.min_normal : 0;
  c.shallow_below = format.emin() + Source::kBias < 1 ? 1 : 0;
  c.even_field = format.mantissa_bits == 0 ? (Source::kBias - format.bias) & 1 : -1;
  c.general = format.sign != Sign::Signed || format.mantissa_bits == 0 || c.input_floor != 0;
  return c;
}

}  // namespace

FormatConstants prepare(const FloatFormat& format, Overflow overflow) {
  return prepare_as<Binary32>(format, overflow);
}
WideFormatConstants prepare_wide(const FloatFormat& format, Overflow overflow) {
  return prepare_as<Binary64>(format, overflow);
}

}  // namespace precipice
