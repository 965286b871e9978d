// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/quantize_task.h"

#include "precision/scaling/scale_formulas.h"

namespace precipice {

bool scales_by_amax(const Quantizer& q) {
  return q.scaling_if<AmaxScaling>() != nullptr && is_one_scale(q.scaling) && !q.hadamard;
}

bool scales_are_powers_of_two(const Quantizer& q) {
  if (q.scaling_if<MxScaling>() != nullptr) return true;
  if (const auto* rows = q.scaling_if<AmaxScaling>()) return rows->scale.power_of_two;
  const auto* blocks = q.scaling_if<BlockAmaxScaling>();
  return blocks != nullptr && blocks->scale.power_of_two;
}

bool has_outer_scale(const Quantizer& q) {
  const auto* nvfp4 = q.scaling_if<Nvfp4Scaling>();
  return nvfp4 != nullptr && nvfp4->two_level && !nvfp4->row_scaled;
}

float outer_scale_of(const Quantizer& q, float amax) {
  if (!has_outer_scale(q) || !(amax > 0.0f)) return 1.0f;
  return nvfp4_outer_scale(amax, q.scaling_if<Nvfp4Scaling>()->four_over_six_max);
}

}  // namespace precipice
