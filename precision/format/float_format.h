// SPDX-License-Identifier: Apache-2.0
// A number format as data: sign, E exponent bits, M mantissa bits, a bias, and which codes are special.
// Value of a normal code: (-1)^s 2^(e - bias) (1 + m 2^-M); of a subnormal one: (-1)^s 2^(1 - bias) m 2^-M. With E = 0
// every code is of the second kind: fixed point with quantum 2^(1 - bias - M), integers when that is 1.
// Names and sources: format_spelling.cpp. Codes: format_codes.h. Decisions: docs/NUMERICS.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace precipice {

enum class Specials : std::uint8_t {
  Ieee,    // highest exponent holds infinities (m = 0) and NaNs
  Fn,      // one NaN per sign (all ones), no infinity: OCP E4M3
  Fnuz,    // one NaN (the code of minus zero), no infinity, no minus zero; P3109's finite domain
  Finite,  // every code is a number
  P3109,   // as Fnuz, and the highest code of each sign is an infinity; P3109's extended domain
};

enum class Subnormals : std::uint8_t {
  Keep,
  Flush,        // results below the smallest normal become zero
  FlushInputs,  // inputs below it count as zero as well
  None,         // exponent field 0 holds normal numbers too, but for the code of zero
};

enum class Sign : std::uint8_t {
  Signed,    // sign and magnitude
  Twos,      // two's complement, one more negative value; E = 0 only
  Unsigned,  // no sign bit, no negative values; where Fnuz and P3109 have minus zero's code, the highest one is NaN
};

struct FloatFormat {
  int exponent_bits = 8;   // 0..8; 0: fixed point
  int mantissa_bits = 23;  // 0..23
  int bias = 127;          // so that every value is a binary32 number, and normals are normal there (e8m0 excepted)
  Specials specials = Specials::Ieee;
  Subnormals subnormals = Subnormals::Keep;
  Sign sign = Sign::Signed;
  bool zero = true;  // false, for unsigned formats without subnormals only: code 0 is 2^-bias (OCP E8M0)

  bool operator==(const FloatFormat&) const = default;

  int bits() const { return (sign == Sign::Unsigned ? 0 : 1) + exponent_bits + mantissa_bits; }
  int precision() const { return mantissa_bits + 1; }
  bool is_fixed_point() const { return exponent_bits == 0; }
  // Exponent of the smallest normal (or what would be one: fixed point has none).
  int emin() const { return (subnormals == Subnormals::None ? 0 : 1) - bias; }
  int emax() const;  // exponent of the largest finite value
  // Exact values, computed in integers from the fields.
  float max_finite() const;
  float lowest() const;        // the most negative value: 0 or, without zero, NaN for unsigned formats
  float min_normal() const;    // min_positive() for fixed point
  float min_positive() const;  // the smallest positive value that a result can have
  float epsilon() const;       // from 1 to the next value, 2^-M; the quantum of fixed point
  bool has_infinity() const { return specials == Specials::Ieee || specials == Specials::P3109; }
  bool has_nan() const;  // ieee with 0 mantissa bits has infinities but no code for a NaN
  bool has_minus_zero() const;
  bool is_fp32() const { return *this == FloatFormat{}; }
};

// The magnitude code (exponent and mantissa bits) of the largest finite value.
std::uint32_t top_code(const FloatFormat& format);

// Throws ConfigError naming the field and its limits when the format is impossible (e9m3, e0m0, a bias that leaves
// binary32's range, specials that leave no number).
void validate(const FloatFormat& format);

// A preset name (fp32 bf16 e4m3 e8m0 int8 ..., see preset_formats()), eXmY, or qI.F (fixed point: sign, I integer and F
// fraction bits), each with options:
//   e4m3:bias=8,specials=ieee|fn|fnuz|finite|p3109,subnormals=keep|flush|flush-inputs|none,sign=signed|twos|unsigned
//   e0m7:lsb=-6,sign=twos          lsb = log2 of the quantum, in place of bias, for fixed point
//   e8m0:zero=no
// Throws ConfigError (nearest name suggested). eXmY without options means IEEE-like specials (none with X < 2, where
// infinities would leave no normal number), bias 2^(X-1)-1 (quantum 1 with X = 0), except for the published names: e4m3
// is OCP (fn, max 448); e3m2, e2m3, e2m1 have no specials; e8m0 is OCP's scale format.
FloatFormat parse_float_format(std::string_view text);

// The shortest spelling that parses back to the same format.
std::string to_string(const FloatFormat& format);
// The words of its options.
std::string to_string(Specials specials);
std::string to_string(Subnormals subnormals);
std::string to_string(Sign sign);

struct PresetFormat {
  const char* name;
  FloatFormat format;
  const char* citation;
};
const std::vector<PresetFormat>& preset_formats();
std::vector<std::string> preset_names();

}  // namespace precipice
