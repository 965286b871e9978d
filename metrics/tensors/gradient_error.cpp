// SPDX-License-Identifier: Apache-2.0
#include "metrics/tensors/gradient_error.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "precision/base/check.h"

namespace precipice {

GradientError& GradientError::operator+=(const GradientError& other) {
  error += other.error, reference += other.reference, measured += other.measured, product += other.product;
  along += other.along;
  return *this;
}

double GradientError::zeta_norm() const {
  const double ratio = error / reference;
  return reference > 0 && std::isfinite(ratio) ? ratio : std::numeric_limits<double>::quiet_NaN();
}

double GradientError::bias() const {
  return reference > 0 && std::isfinite(along / reference) ? along / reference
                                                           : std::numeric_limits<double>::quiet_NaN();
}

double GradientError::cosine() const {
  if (error == 0 && reference > 0) return 1;
  // Cauchy and Schwarz, up to the rounding of the sums.
  const double cosine = std::clamp(product / (std::sqrt(measured) * std::sqrt(reference)), -1.0, 1.0);
  return std::isfinite(cosine) ? cosine : std::numeric_limits<double>::quiet_NaN();
}

GradientError gradient_error(std::span<const float> measured, std::span<const float> reference) {
  PRECIPICE_CHECK(measured.size() == reference.size(), measured.size(), " and ", reference.size(), " elements");
  GradientError sum;
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const double m = measured[i], r = reference[i];
    sum.error += (m - r) * (m - r);
    sum.reference += r * r;
    sum.measured += m * m;
    sum.product += m * r;
    sum.along += (m - r) * r;
  }
  return sum;
}

}  // namespace precipice
