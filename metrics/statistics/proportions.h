// SPDX-License-Identifier: Apache-2.0
// Counts of runs that diverged: intervals of one proportion, difference of two, Fisher's exact test.
//   Wilson:   (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)          (Wilson 1927)
//   Jeffreys: quantiles of Beta(k + 1/2, n - k + 1/2); 0 at k = 0 and 1 at k = n   (Brown, Cai, DasGupta 2001)
//   Newcombe: d - sqrt((p1-l1)^2 + (u2-p2)^2), d + sqrt((u1-p1)^2 + (p2-l2)^2) with Wilson's l and u
//             (Newcombe 1998, method 10)
//   Fisher:   the two-sided p sums the probabilities, given the margins, of all tables at most as probable as the one
//             seen (Fisher 1935; the rule of R's fisher.test, with its tolerance of 1e-7 for equal probabilities)
// Counts outside 0 <= k <= n are a broken contract.
#pragma once

#include <cstdint>
#include <vector>

#include "metrics/statistics/distributions.h"

namespace precipice {

struct Count {
  std::int64_t events = 0;
  std::int64_t trials = 0;
};

// n = 0 says nothing: [0, 1].
Interval wilson_interval(const Count& count, double confidence = kConfidence);
Interval jeffreys_interval(const Count& count, double confidence = kConfidence);

struct Difference {
  double value = 0;  // a minus b; NaN when either has no trials, with the interval [-1, 1]
  Interval interval;
};
Difference newcombe_difference(const Count& a, const Count& b, double confidence = kConfidence);

double fisher_exact(const Count& a, const Count& b);  // 1 where a margin is 0

// Probabilities of 0, 1, ... events in `a` given the sum of events; entry i stands for max(0, events - b) + i events.
std::vector<double> hypergeometric(std::int64_t trials_a, std::int64_t trials_b, std::int64_t events);
// The two-sided p of each of those tables.
std::vector<double> fisher_p_values(const std::vector<double>& probabilities);

}  // namespace precipice
