// SPDX-License-Identifier: Apache-2.0
// The scale of what an optimizer keeps (optim/store.h): values are multiplied by it before rounding. Current per-tensor
// rule as NVIDIA Transformer Engine's Float8CurrentScaling computes it (common/recipe/recipe_common.cuh):
//   scale = max_finite / amax, one fp32 division;  amax 0, infinite or NaN: 1;  overflow: the largest fp32 number;
//   power of two: the exponent of that scale, its mantissa cleared (rounded down).
#pragma once

namespace precipice {

float current_scale(float amax, float max_finite, bool power_of_two);

}  // namespace precipice
