// SPDX-License-Identifier: Apache-2.0
// Critical step: the smallest multiple s of an update that raises the loss (arXiv 2601.16979). With r(s) = L(w + s d) -
// L(w), a quadratic loss has r(s) / s linear in s and s = -2 g.d / (d'H d). The search brackets the sign change by
// doubling, then quadrupling, or the same downwards, from where the last one was found, and closes in by interpolating
// r(s) / s, which on a quadratic is exact, and bisection.
#pragma once

#include <functional>

namespace precipice {

enum class CriticalOutcome {
  Found = 0,
  NeverRises = 1,   // within the largest multiple tried
  AlwaysRises = 2,  // down to the smallest: the update does not descend on this batch
  NoUpdate = 3      // skipped, of length 0, or the loss before it is not finite
};

struct CriticalStep {
  double multiple;  // NaN unless found
  int passes = 0;   // evaluations of r
  CriticalOutcome outcome = CriticalOutcome::NoUpdate;
};

inline constexpr int kMaxCriticalPasses = 12;

// `rise`: r(s) for s > 0; a value that is not finite counts as a rise. start > 0.
CriticalStep find_critical_step(const std::function<double(double)>& rise, double start);

}  // namespace precipice
