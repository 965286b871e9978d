// SPDX-License-Identifier: Apache-2.0
// Step to divergence of two formats on the same seeds: Mantel's log-rank statistic summed over strata (seeds),
//   U = sum over seeds and event times of (d_1 - d n_1 / n),
// with its exact p: under the null the runs of a seed are exchangeable, so every way to call as many of them the first
// format's as there were is as probable; |U| is compared over all ways, the seeds independently. With one run per format
// and seed this is the sign test of who diverged first; the usual chi^2 of that is uncorrected (0.0455 for 4 of 4 seeds,
// where 0.125 is right).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "metrics/statistics/survival.h"

namespace precipice {

struct SurvivalStratum {
  std::vector<SurvivalTime> first, second;  // the runs of both formats on one seed
};

struct StratifiedLogRank {
  double u = 0;                  // events of the first format beyond what is expected: positive, it diverges earlier
  double p = 1;                  // exact, two-sided; NaN where nothing can be compared
  double chi_squared_p = 1;      // of U^2 over its hypergeometric variance, for comparison
  std::int64_t informative = 0;  // seeds in which exchanging the runs changes anything
  bool exact = true;             // false: a seed has too many runs to count all ways, and p is chi^2's
};
StratifiedLogRank stratified_log_rank(std::span<const SurvivalStratum> strata);

}  // namespace precipice
