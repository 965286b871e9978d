// SPDX-License-Identifier: Apache-2.0
#include "precision/format/format_codes.h"

#include <algorithm>

#include "precision/base/check.h"
#include "precision/format/exact_value.h"

namespace precipice {
namespace {

constexpr std::uint32_t kQuietNan = 0x7FC00000u;

float from_bits(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

std::uint32_t mask(int bits) {
  return bits == 32 ? 0xFFFFFFFFu : (1u << bits) - 1;
}

int magnitude_bits(const FloatFormat& f) {
  return f.exponent_bits + f.mantissa_bits;
}

// A magnitude code that is a number.
float decode_magnitude(const FloatFormat& f, std::uint32_t code) {
  if (code == 0) return f.zero ? 0.0f : exact_value(1, f.emin());
  const std::uint32_t field = code >> f.mantissa_bits, mantissa = code & mask(f.mantissa_bits);
  const bool normal = field > 0 || f.subnormals == Subnormals::None;
  if (!normal && f.subnormals != Subnormals::Keep) return 0.0f;
  const int exponent = normal ? static_cast<int>(field) - f.bias : f.emin();
  return exact_value((normal ? 1u << f.mantissa_bits : 0u) | mantissa, exponent - f.mantissa_bits);
}

}  // namespace

CodeConstants prepare_codes(const FloatFormat& f) {
  validate(f);
  const int bits = magnitude_bits(f);
  CodeConstants c{};
  c.lowest_field = std::max(1, f.emin() + 127);
  c.normal_drop = 23 - f.mantissa_bits;
  c.field_bits = f.mantissa_bits;
  // 2^-127 is below the lowest field of binary32's normals: field 1 is then one above code 0, as with subnormals.
  c.field_zero = f.subnormals == Subnormals::None && f.emin() + 127 >= 1 ? 1 << f.mantissa_bits : 0;
  c.infinity = f.specials == Specials::Ieee ? mask(bits) & ~mask(f.mantissa_bits) : top_code(f) + 1;
  c.sign_bit = f.sign == Sign::Unsigned ? 0 : 1u << bits;
  c.nan_sign_bit = c.sign_bit;
  c.nan = mask(bits);
  if (f.specials == Specials::Ieee) {
    c.payload = mask(f.mantissa_bits);
    c.nan = c.infinity | (f.mantissa_bits > 0 ? 1u << (f.mantissa_bits - 1) : 0);
  } else if (f.specials != Specials::Fn && f.sign != Sign::Unsigned) {
    c.nan = c.sign_bit;
    c.nan_sign_bit = 0;
  }
  c.code_mask = f.sign == Sign::Twos ? mask(f.bits()) : 0;
  return c;
}

float decode(const FloatFormat& f, std::uint32_t code) {
  PRECIPICE_CHECK(code <= mask(f.bits()), "code ", code, " has more than ", f.bits(), " bits");
  const CodeConstants c = prepare_codes(f);
  const std::uint32_t ones = mask(magnitude_bits(f));
  const std::uint32_t sign = (code & c.sign_bit) != 0 ? 0x80000000u : 0;
  if (f.sign == Sign::Twos) {
    const std::uint32_t magnitude = sign != 0 ? (0u - code) & c.code_mask : code;
    const float value = exact_value(magnitude, f.emin() - f.mantissa_bits);
    return sign != 0 ? -value : value;
  }
  const std::uint32_t magnitude = code & ones;
  if (f.specials == Specials::Ieee && magnitude >= c.infinity)
    return from_bits(sign | 0x7F800000u | ((magnitude - c.infinity) << c.normal_drop));
  if (f.has_nan() && code == (c.nan | (sign != 0 ? c.nan_sign_bit : 0)))
    return from_bits(kQuietNan | (c.nan_sign_bit != 0 ? sign : 0));
  if (f.specials == Specials::P3109 && magnitude == c.infinity) return from_bits(sign | 0x7F800000u);
  const float value = decode_magnitude(f, magnitude);
  return sign != 0 && (value != 0.0f || f.has_minus_zero()) ? -value : value;
}

std::uint32_t encode(const FloatFormat& f, float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) {
    PRECIPICE_CHECK(f.has_nan(), to_string(f), " has no NaN");
    return encode_value(prepare_codes(f), value);
  }
  // What was cut off, or ran into the bits of the sign or of a special value, shows when the code is read back.
  const bool in_range = magnitude == 0x7F800000u ? f.has_infinity() : value <= f.max_finite() && !(value < f.lowest());
  const bool has_sign = (bits >> 31) == 0 || f.sign != Sign::Unsigned;
  const std::uint32_t code = in_range && has_sign ? encode_value(prepare_codes(f), value) : 0;
  PRECIPICE_CHECK(in_range && has_sign && __builtin_bit_cast(std::uint32_t, decode(f, code)) == bits, value,
                  " is not a value of ", to_string(f));
  return code;
}

}  // namespace precipice
