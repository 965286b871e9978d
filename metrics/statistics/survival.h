// SPDX-License-Identifier: Apache-2.0
// Step to divergence, with runs that ended before as censored.
//   Kaplan and Meier 1958: S(t) = prod_{t_i <= t} (1 - d_i / n_i)
//   Greenwood 1926:        var log S = sum d_i / (n_i (n_i - d_i)); interval on the log-log scale,
//                          S^exp(-+ z sqrt(var log S) / |log S|), which stays inside [0, 1]
//   where that variance does not exist, Clopper and Pearson 1934, of the runs that are seen at t alone:
//     S = 1, no event so far: the n runs at risk at t have all come through, [(alpha/2)^(1/n), 1]
//     S = 0: of the n runs at risk since the last censoring before t none has, [0, 1 - (alpha/2)^(1/n)]; S(t) is at
//            most the chance to come through from there on
//     (the ends of the interval of 0 of n and of n of n; with censoring before, they are wider than need be)
//   log-rank (Mantel 1966): chi^2 = (O - E)' V^-1 (O - E), hypergeometric V, groups - 1 degrees of freedom
// At one time, events come before censorings: a run censored at t was still at risk at t.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "metrics/statistics/distributions.h"

namespace precipice {

struct SurvivalTime {
  double time = 0;     // steps; not negative
  bool event = false;  // false: censored, the run had not diverged when it ended
};

struct SurvivalPoint {
  double time = 0;
  std::int64_t at_risk = 0, events = 0, censored = 0;
  double survival = 1;
  Interval interval;
};

// One point per distinct time, rising. Empty for no runs.
std::vector<SurvivalPoint> kaplan_meier(std::span<const SurvivalTime> times, double confidence = kConfidence);

// First time at which S <= 1/2; NaN when it stays above.
double median_survival(std::span<const SurvivalPoint> curve);

struct LogRank {
  double chi_squared = 0;
  double degrees = 0;
  double p = 1;                            // NaN where nothing can be compared: fewer than two groups, or no event
  std::vector<double> observed, expected;  // events per group
};
LogRank log_rank(std::span<const std::vector<SurvivalTime>> groups);

}  // namespace precipice
