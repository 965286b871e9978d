// SPDX-License-Identifier: Apache-2.0
// The largest value of a function in a box around x0, from below: conditional-gradient ascent (Frank and Wolfe 1956).
// From x, the corner that the gradient points to is c_i = x0_i + b_i sign(g_i); of the points x + t (c - x) with
// t = 1, 1/2, ..., 2^-(kHalvings) the highest is taken if it lies above x, else the ascent ends. All points lie in the
// box, and the value never falls. Keskar et al. 2017 (arXiv 1609.04836) use 10 iterations of L-BFGS-B, which is a lower
// bound of the maximum as well.
#pragma once

#include <functional>

#include "metrics/curvature/random_subspace.h"

namespace precipice {

struct BoxAscent {
  double start = 0;    // f(x0)
  double highest = 0;  // of all values found; NaN where f(x0) or a gradient is not finite
  int iterations = 0;
  std::int64_t evaluations = 0;  // of f
};

struct BoxFunction {
  std::function<double(std::span<const float>)> value;
  std::function<FlatVector(std::span<const float>)> gradient;
};

// A point where f is not finite never counts as higher.
BoxAscent ascend_in_box(const BoxFunction& f, std::span<const float> x0, std::span<const float> half_widths,
                        int max_iterations);

// The same over u of the points x0 + A u, |u_i| <= eps (|(A^+ x0)_i| + 1).
BoxAscent ascend_in_subspace(const BoxFunction& f, std::span<const float> x0, const RandomSubspace& subspace,
                             double epsilon, int max_iterations);

}  // namespace precipice
