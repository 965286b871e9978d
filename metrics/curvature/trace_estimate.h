// SPDX-License-Identifier: Apache-2.0
// The trace of a symmetric operator from m products: Hutch++ (Meyer, Musco, Musco and Woodruff 2021, arXiv 2010.09649,
// algorithm 1). With m/3 random normals S, Q = orth(A S), and m/3 vectors G of random signs,
//   tr(A) ~ tr(Q^T A Q) + 3/m sum_g g^T (I - Q Q^T) A (I - Q Q^T) g.
// The first part is exact on the dominant subspace; only the rest has sampling error, whose standard error is that of
// the mean over the probes g. Memory: 2 m/3 vectors.
#pragma once

#include <string>

#include "metrics/curvature/flat_vectors.h"

namespace precipice {

struct TraceEstimate {
  double trace = 0;
  double standard_error = 0;  // 0 where Q spans the whole space: then the trace is exact
  std::int64_t products = 0;
  std::string reason;  // why both are NaN; empty: they are not
};

// `products` >= 6. Random vectors are a function of the seed.
TraceEstimate estimate_trace(const LinearOperator& apply, std::int64_t size, std::int64_t products, std::uint64_t seed);

}  // namespace precipice
