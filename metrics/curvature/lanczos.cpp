// SPDX-License-Identifier: Apache-2.0
#include "metrics/curvature/lanczos.h"

#include <algorithm>
#include <cmath>

#include "precision/base/check.h"

namespace precipice {
namespace {

// A residual this small against T is rounding of vectors in fp32, and has no direction of its own.
constexpr double kInvariant = 1e-10;

}  // namespace

Lanczos::Lanczos(LinearOperator apply, std::int64_t size, const RandomKey& key)
    : Lanczos(std::move(apply), random_normal(size, key), key) {}

Lanczos::Lanczos(LinearOperator apply, FlatVector start, const RandomKey& key)
    : apply_(std::move(apply)), size_(static_cast<std::int64_t>(start.size())), key_(key), next_(std::move(start)) {
  const double length = euclidean_norm(next_);
  PRECIPICE_CHECK(length > 0, "the Lanczos process begins at a zero vector");
  scale_by(next_, 1 / length);
}

void Lanczos::restart() {
  next_.clear();
  if (steps() >= size_) return;
  ++key_.step;
  FlatVector fresh = random_normal(size_, key_);
  const double before = euclidean_norm(fresh);
  orthogonalise(fresh, basis_);
  const double left = euclidean_norm(fresh);
  if (!(left > 1e-5 * before)) return;  // what is left is rounding: the basis spans the space
  scale_by(fresh, 1 / left);
  // The scaling has magnified what rounding left along the basis.
  orthogonalise(fresh, basis_);
  next_ = std::move(fresh);
}

bool Lanczos::step() {
  if (next_.empty() || !finite_) return false;
  basis_.push_back(std::move(next_));
  next_.clear();
  const FlatVector& v = basis_.back();
  FlatVector w = apply_(v);
  PRECIPICE_CHECK(w.size() == v.size(), "the operator made ", v.size(), " elements into ", w.size());
  const double alpha = inner_product(v, w);
  if (!std::isfinite(alpha) || !all_finite(w)) {
    basis_.pop_back();
    finite_ = false;
    return false;
  }
  orthogonalise(w, basis_);
  const double beta = euclidean_norm(w);
  largest_ = std::max({largest_, std::abs(alpha), beta});
  diagonal_.push_back(alpha);
  if (beta > kInvariant * largest_ && steps() < size_) {
    off_diagonal_.push_back(beta);
    scale_by(w, 1 / beta);
    next_ = std::move(w);
  } else {
    off_diagonal_.push_back(0);
    restart();
  }
  return true;
}

FlatVector Lanczos::combine(std::span<const double> coefficients) const {
  PRECIPICE_CHECK(coefficients.size() == basis_.size(), coefficients.size(), " coefficients");
  FlatVector sum(static_cast<std::size_t>(size_), 0.0f);
  for (std::size_t i = 0; i < basis_.size(); ++i) add_scaled(sum, coefficients[i], basis_[i]);
  return sum;
}

}  // namespace precipice
