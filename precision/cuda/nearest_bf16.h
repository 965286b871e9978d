// SPDX-License-Identifier: Apache-2.0
// Rounding to bf16, nearest even and beyond the largest number to infinity, where a kernel does that alone. Host and device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/format/bf16_bits.h"

namespace precipice {

// The nearest bf16 number. NaN becomes quiet.
PRECIPICE_HD float nearest_bf16(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t increment = 0x7FFFu + (bits >> 16 & 1u);
  return __builtin_bit_cast(float, is_nan_pattern(bits) ? bits | 0x400000u : (bits + increment) & 0xFFFF0000u);
}

}  // namespace precipice
