// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/lr_sensitivity.h"

#include <algorithm>
#include <cmath>

#include "precision/base/special_numbers.h"

namespace precipice {

LrSensitivity lr_sensitivity(std::span<const double> losses, double initial_loss) {
  if (losses.empty() || !std::isfinite(initial_loss)) return {kNaN, kNaN};
  double sum = 0, best = initial_loss;
  for (const double loss : losses) {
    const double capped = std::isnan(loss) ? initial_loss : std::min(loss, initial_loss);
    sum += capped;
    best = std::min(best, capped);
  }
  return {sum / static_cast<double>(losses.size()) - best, best};
}

}  // namespace precipice
