// SPDX-License-Identifier: Apache-2.0
// How much of the scatter of a result comes from the initial weights, how much from the order of the data, how much from
// the rounding's own random numbers: random factors, crossed (every level of one with every level of the others, one run
// each), without a model of their interactions. Method of moments (Searle, Casella, McCulloch 1992, section 4.7):
//   E MS_f = sigma^2 + (N / L_f) sigma_f^2,   so   sigma_f^2 = (MS_f - MS_rest) / (N / L_f),
// MS_f the mean square of factor f with L_f levels, MS_rest that of all interactions together. An estimate may come out
// negative, which says that the factor's part is too small to see: it is shown as 0 with its value beside.
// A format is no random factor: components are taken of the runs of one format, or of differences of two.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace precipice {

struct VarianceComponent {
  double value = 0;     // as estimated, may be negative
  double variance = 0;  // what is shown: the value, at least 0
  double degrees = 0;   // levels - 1; of the rest what is left
};

struct VarianceComponents {
  std::vector<VarianceComponent> factors;  // in the order of `levels`; NaN for a factor with one level
  VarianceComponent rest;                  // NaN where no degree of freedom is left
};
// Values of all combinations, the last factor's level running fastest; their number is the product of `levels`, else the
// design is not crossed and the contract is broken.
VarianceComponents variance_components(std::span<const double> values, std::span<const std::size_t> levels);

}  // namespace precipice
