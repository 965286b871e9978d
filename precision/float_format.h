// SPDX-License-Identifier: Apache-2.0
// A floating-point format as data: sign, E exponent bits, M mantissa bits, a bias, and which codes are special.
// Value of a normal code: (-1)^s 2^(e - bias) (1 + m 2^-M); of a subnormal one: (-1)^s 2^(1 - bias) m 2^-M.
// Names: IEEE 754-2019; OCP OFP8 v1.0 (e4m3, e5m2); OCP MX v1.0 (e3m2, e2m3, e2m1); fnuz after ml_dtypes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace precipice {

enum class Specials : std::uint8_t {
  Ieee,    // highest exponent holds infinities (m = 0) and NaNs
  Fn,      // one NaN per sign (all ones), no infinity: OCP E4M3
  Fnuz,    // one NaN (the code of minus zero), no infinity, no minus zero
  Finite,  // every code is a number
};

enum class Subnormals : std::uint8_t { Keep, Flush };  // Flush: results below the smallest normal become zero

struct FloatFormat {
  int exponent_bits = 8;   // 1..8
  int mantissa_bits = 23;  // 0..23
  int bias = 127;          // so that every value is a binary32 number, and normals are normal there: at most 127
  Specials specials = Specials::Ieee;
  Subnormals subnormals = Subnormals::Keep;

  bool operator==(const FloatFormat&) const = default;

  int bits() const { return 1 + exponent_bits + mantissa_bits; }
  int precision() const { return mantissa_bits + 1; }
  int emin() const { return 1 - bias; }  // exponent of the smallest normal
  int emax() const;                      // exponent of the largest finite value
  // Exact values, computed in integers from the fields.
  float max_finite() const;
  float min_normal() const;
  float min_subnormal() const;  // the quantum of the subnormal range; min_normal() when subnormals are flushed
  bool has_infinity() const { return specials == Specials::Ieee; }
  bool has_nan() const;  // ieee with 0 mantissa bits has infinities but no code for a NaN
  bool is_fp32() const { return *this == FloatFormat{}; }
};

// Throws ConfigError naming the field and its limits when the format is impossible (e9m3, e0m0, a bias that leaves
// binary32's range, specials that leave no number).
void validate(const FloatFormat& format);

// A preset name (fp32 tf32 bf16 fp16 e4m3 e5m2 e4m3fnuz e5m2fnuz e3m4 e3m2 e2m3 e2m1 ...) or eXmY, each with options:
//   e4m3:bias=8,specials=ieee|fn|fnuz|finite,subnormals=keep|flush
// Throws ConfigError (nearest name suggested). eXmY without options means IEEE-like specials (none with X = 1, where
// infinities would leave no normal number) and bias 2^(X-1)-1, except for the published names: e4m3 is OCP (fn, max
// 448); e3m2, e2m3, e2m1 have no specials.
FloatFormat parse_float_format(std::string_view text);

// The shortest spelling that parses back to the same format.
std::string to_string(const FloatFormat& format);
std::vector<std::string> preset_names();

// Codes, right-aligned: sign, exponent, mantissa. decode gives the exact value (NaN, +-inf for special codes).
// encode takes a value of the format (a fixed point of rounding); anything else is a broken contract. IEEE-like NaNs
// keep the high bits of their payload. When subnormals are flushed, their codes decode as zero and encode never yields
// them.
float decode(const FloatFormat& format, std::uint32_t code);
std::uint32_t encode(const FloatFormat& format, float value);

}  // namespace precipice
