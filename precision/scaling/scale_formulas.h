// SPDX-License-Identifier: Apache-2.0
// The formulas of scales that operands of matmuls (scale_rules, delayed_scale) and what an optimizer keeps (optim/store)
// have in common, each one binary32 operation after the other as the cited system has it. Values are multiplied by a
// scale before they are rounded.
//   TransformerEngine  common/recipe/recipe_common.cuh compute_scale_from_amax (current), delayed_scaling.cu (delayed)
//   MS-AMP             common/tensor/meta.py ScalingMeta.compute_scaling_factor
//   NVFP4              common/cast/nvfp4/core_nvfp4.cuh
#pragma once

#include <cmath>
#include <limits>

#include "precision/base/host_device.h"
#include "precision/format/log2_exponent.h"

namespace precipice {

// Two numbers that a scale is made of, by name: as arguments they could be swapped unseen.
struct ScaleEnds {
  float amax;        // largest magnitude of what is scaled
  float max_finite;  // largest number of the format
};

// TransformerEngine's last step: a scale beyond binary32 becomes the largest number. Its power of two is what clearing
// the mantissa leaves. For a subnormal scale, which its formats never have, the kernel calls that a logic error; here
// it is the power of two below, as in its Python reference.
PRECIPICE_HD float te_finite_scale(float scale, bool power_of_two) {
  if (std::isinf(scale)) scale = std::numeric_limits<float>::max();
  return power_of_two ? floor_power_of_two(scale) : scale;
}

// TransformerEngine's current scale: max_finite / amax in one division; 1 where amax is 0, infinite or NaN.
PRECIPICE_HD float te_current_scale(const ScaleEnds& ends, bool power_of_two) {
  if (!(ends.amax > 0.0f) || std::isinf(ends.amax)) return 1.0f;
  return te_finite_scale(ends.max_finite / ends.amax, power_of_two);
}

// MS-AMP's scale: with e = floor(fl(log2(fl(fl(1 / amax) max_finite)))) - margin it is 2^|e|, or `previous` where amax
// is 0 or not finite, and the inverse of that where e < 0. So an infinite amax (e = -infinity) inverts the previous
// scale, NaN and 0 keep it, and below max_finite 2^-128 the scale is infinite.
PRECIPICE_HD float ms_amp_scale(const ScaleEnds& ends, float previous, int margin = 0) {
  const float inverse = 1.0f / ends.amax;
  const float ratio = inverse * ends.max_finite;
  if (std::isnan(ratio)) return previous;
  // log2 of zero and of infinity are infinite, and so is what follows from them.
  const bool is_negative = ratio == 0.0f || (std::isfinite(ratio) && floor_of_rounded_log2(ratio) - margin < 0);
  float scale = previous;
  if (ends.amax > 0.0f && std::isfinite(ends.amax)) {
    const int e = std::isfinite(ratio) && ratio > 0.0f ? floor_of_rounded_log2(ratio) - margin : 1000;
    scale = power_of_two(e < 0 ? -e : e);
  }
  return is_negative ? 1.0f / scale : scale;
}

// The range of a tensor under NVFP4's two levels of scales: E2M1's largest number, 6, times the largest E4M3 block
// scale, 448 (or 256: four_over_six_max).
PRECIPICE_HD constexpr float nvfp4_range(int block_scale_max) {
  return static_cast<float>(6 * block_scale_max);
}

// The tensor's part of every scale by which NVFP4's grid values come back: amax / range, in one division.
PRECIPICE_HD float nvfp4_outer_scale(float amax, int block_scale_max) {
  return amax / nvfp4_range(block_scale_max);
}

}  // namespace precipice
