// SPDX-License-Identifier: Apache-2.0
// Spectra of symmetric operators by the Lanczos process (metrics/curvature/lanczos.h).
//   Top eigenvalues: Ritz values with their residual bounds; the process ends when the k largest and the smallest have
//     errors below tolerance * the largest |value|, or at a number of products. Both ends of the spectrum are looked
//     at, so that a negative eigenvalue of larger size is never taken for the top one; whether an end has converged is
//     said of each.
//   Density: stochastic Lanczos quadrature (Ubaru, Chen and Saad 2017; Ghorbani et al. 2019, arXiv 1901.10159). From
//     random start vectors: nodes = Ritz values, weights = squared first components of T's eigenvectors;
//     phi(t) = mean over vectors of sum_i w_i N(t; theta_i, sigma^2), sigma = range / steps.
#pragma once

#include <string>

#include "metrics/curvature/flat_vectors.h"

namespace precipice {

struct TopOptions {
  std::int64_t count = 5;         // k
  std::int64_t max_products = 0;  // 0: 10 k + 20
  double tolerance = 1e-3;        // fp32 curvature is not better than this of the largest (docs/METRICS.md)
  std::uint64_t seed = 0;
  bool vectors = false;
  bool both_ends = true;  // false: the process does not wait for the smallest
};

struct TopSpectrum {
  std::vector<double> values;     // the largest, descending; as many as there are
  std::vector<double> residuals;  // bounds of their distances to an eigenvalue
  std::vector<double> errors;     // estimates of these distances: r^2 / gap where that is smaller
  double smallest = 0;            // the other end of the spectrum
  double smallest_residual = 0, smallest_error = 0;
  std::vector<FlatVector> vectors;  // of `values`, length 1, the component of largest size positive
  std::int64_t products = 0;
  bool largest_converged = false, smallest_converged = false;
  std::string reason;  // why there are no values; empty: there are
};

TopSpectrum top_spectrum(const LinearOperator& apply, std::int64_t size, const TopOptions& options);

struct DensityOptions {
  std::int64_t vectors = 4;
  std::int64_t steps = 40;  // Lanczos steps of each
  std::int64_t points = 256;
  std::uint64_t seed = 0;
};

struct SpectralDensity {
  std::vector<double> values, density;              // phi on a grid; its integral is 1
  std::vector<std::vector<double>> nodes, weights;  // per start vector
  double sigma = 0;
  std::int64_t products = 0;
  std::string reason;
  double trace_per_parameter = 0;  // first moment of the quadrature
};

SpectralDensity spectral_density(const LinearOperator& apply, std::int64_t size, const DensityOptions& options);

}  // namespace precipice
