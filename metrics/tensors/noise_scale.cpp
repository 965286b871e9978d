// SPDX-License-Identifier: Apache-2.0
#include "metrics/tensors/noise_scale.h"

#include <cmath>
#include <limits>

#include "precision/base/check.h"

namespace precipice {

NoiseEstimate noise_estimate(double small_square, double big_square, double small, double big) {
  PRECIPICE_CHECK(small > 0 && small < big, small, " of ", big);
  return {(small_square - big_square) / (1 / small - 1 / big),
          (big * big_square - small * small_square) / (big - small)};
}

void NoiseAverage::add(const NoiseEstimate& estimate) {
  if (!std::isfinite(estimate.trace) || !std::isfinite(estimate.squared_gradient)) return;
  const double weight = count_++ == 0 ? 1 : kNoiseWeight;
  trace_ += weight * (estimate.trace - trace_);
  squared_gradient_ += weight * (estimate.squared_gradient - squared_gradient_);
}

double NoiseAverage::scale() const {
  return count_ > 0 && squared_gradient_ > 0 ? trace_ / squared_gradient_ : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace precipice
