// SPDX-License-Identifier: Apache-2.0
// significand * 2^exponent as a binary32 number, from integers.
#pragma once

#include <cstdint>

#include "precision/base/check.h"

namespace precipice {

// The product must be a binary32 number; significand < 2^24.
inline float exact_value(std::uint32_t significand, int exponent) {
  if (significand == 0) return 0.0f;
  // Normalise to 24 bits, or as far as the subnormal range of binary32 allows.
  while (significand < 0x800000u && exponent > -149) significand <<= 1, --exponent;
  PRECIPICE_CHECK(exponent >= -149 && exponent <= 104 && significand < 0x1000000u);
  const std::uint32_t field = significand < 0x800000u ? 0 : static_cast<std::uint32_t>(exponent + 150);
  return __builtin_bit_cast(float, (field << 23) | (significand & 0x7FFFFFu));
}

}  // namespace precipice
