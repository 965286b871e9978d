// SPDX-License-Identifier: Apache-2.0
#include "precision/scaling/scale_formulas.h"

#include <cstdlib>

namespace precipice {

float ms_amp_scale(const ScaleEnds& ends, float previous, int margin) {
  const float inverse = 1.0f / ends.amax;
  const float ratio = inverse * ends.max_finite;
  if (std::isnan(ratio)) return previous;
  // log2 of zero and of infinity are infinite, and so is what follows from them.
  const bool is_negative = ratio == 0.0f || (std::isfinite(ratio) && floor_of_rounded_log2(ratio) - margin < 0);
  float scale = previous;
  if (ends.amax > 0.0f && std::isfinite(ends.amax)) {
    const int e = std::isfinite(ratio) && ratio > 0.0f ? floor_of_rounded_log2(ratio) - margin : 1000;
    scale = power_of_two(std::abs(e));
  }
  return is_negative ? 1.0f / scale : scale;
}

}  // namespace precipice
