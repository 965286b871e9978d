// SPDX-License-Identifier: Apache-2.0
#include "precision/scaling/current_scale.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace precipice {

float current_scale(float amax, float max_finite, bool power_of_two) {
  if (!(amax > 0.0f) || std::isinf(amax)) return 1.0f;
  float scale = max_finite / amax;
  if (std::isinf(scale)) scale = std::numeric_limits<float>::max();
  if (!power_of_two) return scale;
  const float cut = std::bit_cast<float>(std::bit_cast<std::uint32_t>(scale) & 0xFF800000u);
  // A subnormal scale (max_finite < amax 2^-126) has no exponent field to keep.
  return cut > 0.0f ? cut : scale;
}

}  // namespace precipice
