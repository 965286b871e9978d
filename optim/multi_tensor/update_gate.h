// SPDX-License-Identifier: Apache-2.0
// An update that is queued before the host knows the gradient's norm: whether it takes place, and with which clipping
// coefficient, is decided in the machine's memory. Host and device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"

namespace precipice {

// min(1, clip_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; clip_norm 0: none. A NaN norm stays NaN, as in torch:
// a comparison with it is false.
PRECIPICE_HD double clip_coefficient(double clip_norm, double grad_norm) {
  if (clip_norm == 0) return 1.0;
  const double coefficient = clip_norm / (grad_norm + 1e-6);
  return coefficient > 1.0 ? 1.0 : coefficient;
}

// Of doubles, so that it is read among the optimizer's other numbers.
struct UpdateGate {
  double grad_scale;
  double is_open;  // 1 or 0: the update leaves everything as it is
};

struct UpdateDecision {
  const double* norm = nullptr;           // of the gradient
  const std::uint32_t* failed = nullptr;  // not 0: what the step took for granted did not hold; null: nothing was
  double clip_norm = 0;
  bool skips_infinite = false;  // a gradient that is not finite

  PRECIPICE_HD UpdateGate decide() const {
    const bool holds = failed == nullptr || *failed == 0;
    const bool goes_on = !skips_infinite || *norm - *norm == 0;
    return {clip_coefficient(clip_norm, *norm), holds && goes_on ? 1.0 : 0.0};
  }
};

}  // namespace precipice
