// SPDX-License-Identifier: Apache-2.0
// Scales of a quantizer: values are multiplied by `scale` before rounding, products of grid values by its inverse.
// Current per-tensor rule as NVIDIA Transformer Engine's Float8CurrentScaling computes it
// (common/recipe/recipe_common.cuh):
//   scale = max_finite / amax, one fp32 division;  amax 0, infinite or NaN: 1;  overflow: the largest fp32 number;
//   power of two: the exponent of that scale, its mantissa cleared (rounded down).
#pragma once

#include <string>
#include <string_view>

#include "precision/float_format.h"

namespace precipice {

struct Scaling {
  enum class Kind { None, Fixed, CurrentTensor };
  Kind kind = Kind::None;
  float fixed = 1.0f;         // Fixed
  bool power_of_two = false;  // CurrentTensor
  bool operator==(const Scaling&) const = default;
};

// Spellings none, fixed, current. Throws ConfigError.
Scaling::Kind parse_scaling_kind(std::string_view text);

float current_scale(float amax, float max_finite, bool power_of_two);

}  // namespace precipice
