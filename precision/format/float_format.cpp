// SPDX-License-Identifier: Apache-2.0
// Derived constants and limits of FloatFormat, all from the fields in integer arithmetic: a binary32 number is put
// together from its exponent field and mantissa, never computed with pow or log.
#include "precision/format/float_format.h"

#include <fmt/format.h>

#include <limits>

#include "precision/base/check.h"
#include "precision/format/exact_value.h"

namespace precipice {
namespace {

void validate_fixed_point(const FloatFormat& f) {
  if (f.mantissa_bits == 0) throw ConfigError("e0m0 has no digits: fixed point is e0mY with Y 1 to 23");
  if (f.specials != Specials::Finite || f.subnormals != Subnormals::Keep || !f.zero)
    throw ConfigError("fixed point (e0mY) has specials=finite, subnormals=keep and zero=yes only");
  const int lsb = f.emin() - f.mantissa_bits, lowest = -126 - f.mantissa_bits, highest = 127 - f.mantissa_bits;
  if (lsb < lowest || lsb > highest)
    throw ConfigError(fmt::format("lsb of e0m{} must be {} to {}, so that every value is a binary32 number, not {}",
                                  f.mantissa_bits, lowest, highest, lsb));
}

}  // namespace

std::uint32_t top_code(const FloatFormat& f) {
  const std::uint32_t all = (1u << (f.exponent_bits + f.mantissa_bits)) - 1;
  const std::uint32_t without_minus_zero = f.sign == Sign::Unsigned ? 1 : 0;  // then the NaN takes the highest code
  switch (f.specials) {
    case Specials::Ieee:
      return all - ((1u << f.mantissa_bits) - 1) - 1;
    case Specials::Fn:
      return all - 1;
    case Specials::Fnuz:
      return all - without_minus_zero;
    case Specials::Finite:
      return all;
    case Specials::P3109:
      return all - 1 - without_minus_zero;
  }
  return all;
}

int FloatFormat::emax() const {
  return is_fixed_point() ? emin() - 1 : static_cast<int>(top_code(*this) >> mantissa_bits) - bias;
}

float FloatFormat::max_finite() const {
  const std::uint32_t top = top_code(*this);
  const std::uint32_t implicit = is_fixed_point() ? 0 : 1u << mantissa_bits;
  const int exponent = is_fixed_point() ? emin() : emax();
  return exact_value(implicit | (top & ((1u << mantissa_bits) - 1)), exponent - mantissa_bits);
}

float FloatFormat::lowest() const {
  if (sign == Sign::Twos) return -exact_value(1, emin());
  if (sign == Sign::Signed) return -max_finite();
  return zero ? 0.0f : std::numeric_limits<float>::quiet_NaN();
}

float FloatFormat::min_normal() const {
  if (is_fixed_point()) return min_positive();
  // Without subnormals the code of 2^emin is taken by zero.
  if (subnormals == Subnormals::None && zero) return exact_value((1u << mantissa_bits) + 1, emin() - mantissa_bits);
  return exact_value(1, emin());
}

float FloatFormat::min_positive() const {
  return subnormals == Subnormals::Keep ? exact_value(1, emin() - mantissa_bits) : min_normal();
}

float FloatFormat::epsilon() const {
  return exact_value(1, is_fixed_point() ? emin() - mantissa_bits : -mantissa_bits);
}

bool FloatFormat::has_nan() const {
  return specials == Specials::Ieee ? mantissa_bits > 0 : specials != Specials::Finite;
}

bool FloatFormat::has_minus_zero() const {
  return sign == Sign::Signed && specials != Specials::Fnuz && specials != Specials::P3109;
}

void validate(const FloatFormat& f) {
  if (f.exponent_bits < 0 || f.exponent_bits > 8)
    throw ConfigError(fmt::format("exponent bits must be 0 to 8, not {}", f.exponent_bits));
  if (f.mantissa_bits < 0 || f.mantissa_bits > 23)
    throw ConfigError(fmt::format("mantissa bits must be 0 to 23, not {}", f.mantissa_bits));
  if (f.sign == Sign::Twos && !f.is_fixed_point()) throw ConfigError("sign=twos is for fixed point (e0mY) only");
  if (f.is_fixed_point()) return validate_fixed_point(f);
  if (!f.zero && (f.sign != Sign::Unsigned || f.subnormals != Subnormals::None))
    throw ConfigError("zero=no is for sign=unsigned,subnormals=none only");

  const std::uint32_t top = top_code(f);
  if (top < 1u << f.mantissa_bits || top >= 1u << 31)  // it wraps around below 0
    throw ConfigError(fmt::format(
        "e{}m{} with these special values leaves no normal number: use specials=finite or more exponent bits",
        f.exponent_bits, f.mantissa_bits));
  // Normals must be normals of binary32: emin >= -126 (then the subnormals are binary32 numbers too), and their largest
  // exponent at most 127. Without mantissa and subnormals 2^-127 is let in, for e8m0.
  const int lowest = static_cast<int>(top >> f.mantissa_bits) - 127;
  const int highest = f.subnormals == Subnormals::None && f.mantissa_bits > 0 ? 126 : 127;
  if (lowest > highest)
    throw ConfigError(
        "8 exponent bits without infinities go beyond binary32: use specials=ieee or fewer exponent bits");
  if (f.bias < lowest || f.bias > highest)
    throw ConfigError(fmt::format("bias of e{}m{} must be {} to {}, so that every value is a binary32 number, not {}",
                                  f.exponent_bits, f.mantissa_bits, lowest, highest, f.bias));
}

}  // namespace precipice
