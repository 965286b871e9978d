// SPDX-License-Identifier: Apache-2.0
#include "metrics/curvature/box_ascent.h"

#include <cmath>
#include <limits>

#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr int kHalvings = 6;

}  // namespace

BoxAscent ascend_in_box(const BoxFunction& f, std::span<const float> x0, std::span<const float> half_widths,
                        int max_iterations) {
  PRECIPICE_CHECK(x0.size() == half_widths.size(), x0.size(), " and ", half_widths.size(), " elements");
  BoxAscent result;
  FlatVector x(x0.begin(), x0.end()), candidate(x0.size()), best(x0.size());
  result.start = result.highest = f.value(x);
  ++result.evaluations;
  const auto undefined = [&] {
    result.highest = std::numeric_limits<double>::quiet_NaN();
    return result;
  };
  if (!std::isfinite(result.start)) return undefined();
  for (; result.iterations < max_iterations; ++result.iterations) {
    const FlatVector g = f.gradient(x);
    if (!all_finite(g)) return undefined();
    double highest = result.highest;
    for (int halving = 0; halving <= kHalvings; ++halving) {
      const double t = std::ldexp(1.0, -halving);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double direction = g[i] > 0 ? 1 : g[i] < 0 ? -1 : 0;
        // Where the gradient vanishes, the coordinate stays.
        const double corner = direction == 0 ? double{x[i]} : double{x0[i]} + direction * double{half_widths[i]};
        candidate[i] = static_cast<float>(x[i] + t * (corner - x[i]));
      }
      const double value = f.value(candidate);
      ++result.evaluations;
      if (!(value > highest) || !std::isfinite(value)) continue;
      highest = value;
      best = candidate;
    }
    if (!(highest > result.highest)) break;
    result.highest = highest;
    x = best;
  }
  return result;
}

BoxAscent ascend_in_subspace(const BoxFunction& f, std::span<const float> x0, const RandomSubspace& subspace,
                             double epsilon, int max_iterations) {
  const auto point = [&](std::span<const float> u) {
    const std::vector<double> moved = subspace.combination(std::vector<double>(u.begin(), u.end()));
    FlatVector x(x0.begin(), x0.end());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(x[i] + moved[i]);
    return x;
  };
  const BoxFunction of_coordinates{[&](std::span<const float> u) { return f.value(point(u)); },
                                   [&](std::span<const float> u) {
                                     const FlatVector g = f.gradient(point(u));
                                     const std::vector<double> slopes =
                                         subspace.products(std::vector<double>(g.begin(), g.end()));
                                     return FlatVector(slopes.begin(), slopes.end());
                                   }};
  const std::vector<double> widths =
      box_half_widths(subspace.coordinates(std::vector<double>(x0.begin(), x0.end())), epsilon);
  return ascend_in_box(of_coordinates, FlatVector(widths.size()), FlatVector(widths.begin(), widths.end()),
                       max_iterations);
}

}  // namespace precipice
