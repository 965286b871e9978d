// SPDX-License-Identifier: Apache-2.0
// A symmetric operator with a spectrum that is known: Q diag(d) Q^T, Q = I - 2 u u^T a reflection (Householder 1958),
// applied in double. And the power iteration, the plainest way to an outer eigenvalue.
#pragma once

#include <cmath>
#include <numeric>
#include <vector>

#include "metrics/curvature/flat_vectors.h"

namespace precipice::test {

class KnownSpectrum {
 public:
  explicit KnownSpectrum(std::vector<double> eigenvalues) : d_(std::move(eigenvalues)), u_(d_.size()) {
    for (std::size_t i = 0; i < u_.size(); ++i) u_[i] = std::sin(1.0 + static_cast<double>(i));
    const double length = std::sqrt(std::inner_product(u_.begin(), u_.end(), u_.begin(), 0.0));
    for (double& x : u_) x /= length;
  }

  FlatVector operator()(std::span<const float> v) const {
    std::vector<double> x(v.begin(), v.end());
    reflect(x);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= d_[i];
    reflect(x);
    return {x.begin(), x.end()};
  }

  // Eigenvector of eigenvalue i: column i of Q.
  FlatVector eigenvector(std::size_t i) const {
    std::vector<double> x(d_.size(), 0.0);
    x[i] = 1;
    reflect(x);
    return {x.begin(), x.end()};
  }

  std::int64_t size() const { return static_cast<std::int64_t>(d_.size()); }
  double trace() const { return std::accumulate(d_.begin(), d_.end(), 0.0); }

 private:
  void reflect(std::vector<double>& x) const {
    const double along = 2 * std::inner_product(u_.begin(), u_.end(), x.begin(), 0.0);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= along * u_[i];
  }
  std::vector<double> d_, u_;
};

// The eigenvalue of largest size after this many products.
inline double power_iteration(const LinearOperator& apply, std::int64_t size, int iterations) {
  FlatVector v = random_normal(size, {7, 7, 7, 7});
  double value = 0;
  for (int i = 0; i < iterations; ++i) {
    scale_by(v, 1 / euclidean_norm(v));
    FlatVector w = apply(v);
    value = inner_product(v, w);
    v = std::move(w);
  }
  return value;
}

}  // namespace precipice::test
