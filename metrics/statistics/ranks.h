// SPDX-License-Identifier: Apache-2.0
// Mann and Whitney 1947 / Wilcoxon rank-sum: is one group larger than the other? A run that diverged has the loss +inf,
// which ties with the other diverged runs and ranks above every number, so no run is left out.
// Up to kMaxExact values in all, ties or not: the permutation distribution of the midranks' sum, counted exactly.
// Beyond: the normal approximation with the variance for ties and a continuity correction of 1/2.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace precipice {

inline constexpr std::size_t kMaxExact = 60;  // C(60, 30) tables are still counted with 15 digits

struct MannWhitney {
  double u = 0;            // pairs in which x > y, ties as 1/2
  double superiority = 0;  // u / (n m): the probability that a run of x is above one of y
  double p = 1;            // two-sided; NaN when a group is empty
  bool exact = false;
};
MannWhitney mann_whitney(std::span<const double> x, std::span<const double> y);  // no NaN

// Ranks from 1, ties at their mean, doubled so that they are whole numbers.
std::vector<std::size_t> doubled_midranks(std::span<const double> values);

}  // namespace precipice
