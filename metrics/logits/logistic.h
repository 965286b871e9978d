// SPDX-License-Identifier: Apache-2.0
// Cross-entropy of one token as a function of u = logsumexp_{i != t}(z_i - z_t), and of its change, in double and
// without cancellation: loss = softplus(u).
#pragma once

#include <algorithm>
#include <cmath>

namespace precipice {

inline double softplus(double u) {
  return std::max(u, 0.0) + std::log1p(std::exp(-std::abs(u)));
}

inline double sigmoid(double u) {
  const double e = std::exp(-std::abs(u));
  return (u >= 0 ? 1.0 : e) / (1.0 + e);
}

// softplus(u + d) - softplus(u)
inline double softplus_rise(double u, double d) {
  // Beyond d = 1 the plain difference cancels nothing, and expm1 would overflow.
  return d < 1 ? std::log1p(sigmoid(u) * std::expm1(d)) : softplus(u + d) - softplus(u);
}

}  // namespace precipice
