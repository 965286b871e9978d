// SPDX-License-Identifier: Apache-2.0
// The word for a claim, from the interval of its effect alone, so that word and number cannot contradict each other.
//   difference with a direction and a margin >= 0 (effects are turned so that the claimed direction is positive):
//     reproduced            the interval lies beyond the margin in the claimed direction
//     opposite              it lies wholly on the other side of 0
//     smaller than claimed  it lies short of the margin, and not wholly on the other side
//     undecided             it holds the margin
//   equivalence within margins (Schuirmann 1987): equivalent, the interval of confidence 1 - 2 alpha lies inside;
//     not equivalent, wholly beyond one of them; undecided
// In a family of m claims the interval's level follows Holm 1979: sorted by p, the i-th that is rejected stands at
// alpha / (m - i + 1), all that are not at the level of the first that failed. A claim is decided exactly where its
// adjusted p is at most alpha.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "metrics/statistics/distributions.h"

namespace precipice {

enum class Verdict {
  Reproduced,
  Smaller,
  Opposite,
  Undecided,
  Equivalent,
  NotEquivalent,
  Identical,
  Different,
  CannotBeJudged
};
std::string to_string(Verdict verdict);  // the word of the page: "reproduced", "smaller than claimed", ...

// `interval` of an effect whose claimed direction is positive; NaN ends: cannot be judged.
Verdict difference_verdict(const Interval& interval, double margin);
Verdict equivalence_verdict(const Interval& interval, const Interval& margins);

// The level (1 - confidence) at which each p's interval is to be shown within its family. NaN p values do not count and
// have the level alpha.
std::vector<double> holm_levels(std::span<const double> p_values, double alpha);

}  // namespace precipice
