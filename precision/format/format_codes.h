// SPDX-License-Identifier: Apache-2.0
// Codes of a FloatFormat, right-aligned: sign (if any), exponent, mantissa; two's complement for Sign::Twos.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/format/float_format.h"

namespace precipice {

// The exact value; NaN, +-inf for special codes. When subnormals are flushed, their codes decode as zero.
float decode(const FloatFormat& format, std::uint32_t code);

// `value` must be a value of the format (a fixed point of rounding), and NaN one that has a code; anything else is a
// broken contract. IEEE-like NaNs keep the high bits of their payload. Never yields the codes of flushed subnormals.
std::uint32_t encode(const FloatFormat& format, float value);

// What encode_value needs: a format reduced to integers.
struct CodeConstants {
  std::int32_t lowest_field;  // binary32 exponent field of the smallest normal, at least 1
  std::int32_t normal_drop;   // 23 - M
  std::int32_t field_zero;    // subtracted from the code: nonzero when exponent field 0 holds normals
  std::int32_t field_bits;    // M: where the exponent field begins
  std::uint32_t infinity, nan;
  std::uint32_t payload;       // mask of NaN payload bits in the code; 0: the one NaN code
  std::uint32_t sign_bit;      // of the code; 0 for unsigned
  std::uint32_t nan_sign_bit;  // likewise for NaN; 0 where NaN has one code
  std::uint32_t code_mask;     // for two's complement negation; 0: sign and magnitude
};
CodeConstants prepare_codes(const FloatFormat& format);

// encode() without its checks, for loops: `value` must be a value of the format.
PRECIPICE_HD constexpr std::uint32_t encode_value(const CodeConstants& c, float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  const auto pattern = static_cast<std::int32_t>(bits & 0x7FFFFFFFu);
  const bool negative = (bits >> 31) != 0;
  // 1. The exponent that the code will have; numbers below the smallest normal have its exponent.
  const std::int32_t field = pattern >> 23;
  const std::int32_t own = field > 1 ? field : 1;
  const std::int32_t exponent = own > c.lowest_field ? own : c.lowest_field;
  // 2. The significand in units of the last place there. Its implicit bit, if it has one, raises the code by one
  //    exponent, which is what makes it normal.
  const std::int32_t significand = pattern - ((own - 1) << 23);
  const std::int32_t drop = c.normal_drop + (exponent - own);
  const std::int32_t kept = significand >> (drop < 31 ? drop : 31);
  const auto magnitude =
      static_cast<std::uint32_t>(((exponent - c.lowest_field) << c.field_bits) + kept - (kept != 0 ? c.field_zero : 0));
  // 3. Sign and special values.
  const std::uint32_t twos = (0u - magnitude) & c.code_mask;
  const std::uint32_t finite = negative ? (c.code_mask != 0 ? twos : magnitude | c.sign_bit) : magnitude;
  const std::uint32_t payload = (bits & 0x7FFFFFu) >> c.normal_drop;
  const std::uint32_t nan_body = (payload & c.payload) != 0 ? c.infinity | (payload & c.payload) : c.nan;
  const std::uint32_t nan = nan_body | (negative ? c.nan_sign_bit : 0u);
  const std::uint32_t infinity = c.infinity | (negative ? c.sign_bit : 0u);
  return pattern < 0x7F800000 ? finite : pattern == 0x7F800000 ? infinity : nan;
}

}  // namespace precipice
