// SPDX-License-Identifier: Apache-2.0
// bf16 numbers, which are the upper halves of binary32 ones: between the two without rounding. Always inlined, as loops
// of every instruction set do it.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"

namespace precipice {

PRECIPICE_HD bool is_nan_pattern(std::uint32_t bits) {
  return (bits & 0x7FFFFFFFu) > 0x7F800000u;
}

// The upper half of the pattern of a bf16 number. Of NaN any pattern may come: one whose lower half alone says that it
// is none would be infinity, so that all become quiet.
PRECIPICE_HD std::uint16_t bf16_bits(std::uint32_t bits) {
  const std::uint32_t quiet = is_nan_pattern(bits) ? 0x400000u : 0u;
  return static_cast<std::uint16_t>((bits | quiet) >> 16);
}

PRECIPICE_HD float float_of_bf16(std::uint16_t bits) {
  return __builtin_bit_cast(float, std::uint32_t{bits} << 16);
}

}  // namespace precipice
