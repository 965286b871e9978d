// SPDX-License-Identifier: Apache-2.0
// The Lanczos process (Lanczos 1950; Golub and Van Loan, section 10.1) with full re-orthogonalisation: orthonormal
// v_1 .. v_m and a tridiagonal T with A V = V T + beta_m v_{m+1} e_m^T, so that the eigenvalues of T (Ritz values)
// approach the outer eigenvalues of A, and beta_m |s_m| bounds the distance of a Ritz value to one of them, s_m being
// the last component of its eigenvector of T. The eigenvectors of T are whoever calls' to compute: any LAPACK does.
// Memory: m + 2 vectors. Without re-orthogonalisation rounding would give copies of converged eigenvalues.
#pragma once

#include "metrics/curvature/flat_vectors.h"

namespace precipice {

class Lanczos {
 public:
  // Begins at random normals of the key.
  Lanczos(LinearOperator apply, std::int64_t size, const RandomKey& key);
  // Begins at this vector, which need not have length 1. Not zero.
  Lanczos(LinearOperator apply, FlatVector start, const RandomKey& key);

  // One more product. False when nothing is left to do: the basis spans the whole space, or a product was not finite.
  // Where the basis spans an invariant subspace, the process goes on from a random vector outside it (beta = 0), so
  // that multiple eigenvalues of small matrices are all found.
  bool step();

  std::int64_t steps() const { return static_cast<std::int64_t>(diagonal_.size()); }
  bool is_finite() const { return finite_; }
  const std::vector<double>& diagonal() const { return diagonal_; }  // alpha_1 .. alpha_m
  // beta_1 .. beta_m; beta_i couples i and i + 1, the last one is that of the residual.
  const std::vector<double>& off_diagonal() const { return off_diagonal_; }
  // sum_i coefficients[i] v_i
  FlatVector combine(std::span<const double> coefficients) const;

 private:
  void restart();

  LinearOperator apply_;
  std::int64_t size_;
  RandomKey key_;
  std::vector<FlatVector> basis_;
  FlatVector next_;  // v_{m+1}; empty when there is none
  std::vector<double> diagonal_, off_diagonal_;
  double largest_ = 0;  // of T so far
  bool finite_ = true;
};

}  // namespace precipice
