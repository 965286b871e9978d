// SPDX-License-Identifier: Apache-2.0
// A gradient against a reference, as the noise that low precision adds (arXiv 2506.20752, g' = (1 + zeta) g): with e =
// g' - g,  zeta_norm = |e|^2 / |g|^2 (a lower bound of the operator norm of zeta, squared), the cosine of g' and g, and the bias e . g / |g|^2.
#pragma once

#include <span>

namespace precipice {

struct GradientError {
  double error = 0, reference = 0, measured = 0;  // squares: |e|^2, |g|^2, |g'|^2
  double product = 0;                             // g . g'
  double along = 0;                               // e . g, which product - reference would lose to cancellation

  GradientError& operator+=(const GradientError& other);
  double zeta_norm() const;  // NaN where g is zero or anything is not finite
  double bias() const;       // e . g / |g|^2, below 0 where g' is too short along g; NaN as zeta_norm
  double cosine() const;     // 1 exactly for equal gradients; NaN where one is zero or not finite
};

// Sums in double. Spans of equal size.
GradientError gradient_error(std::span<const float> measured, std::span<const float> reference);

}  // namespace precipice
