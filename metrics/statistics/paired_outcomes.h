// SPDX-License-Identifier: Apache-2.0
// Yes or no of two formats on the same seeds (diverged, untrained, had a spike). Only pairs that differ speak:
//   McNemar 1947, exact: of b + c discordant pairs b are of the first kind, binomial with 1/2, two-sided
//   interval of b / (b + c): Clopper and Pearson 1934, exact, quantiles of Beta(b, c + 1) and Beta(b + 1, c)
// The test cannot give a p below 2^(1 - (b + c)).
#pragma once

#include <cstdint>

#include "metrics/statistics/distributions.h"
#include "metrics/statistics/proportions.h"

namespace precipice {

struct PairedCounts {
  std::int64_t both = 0, only_first = 0, only_second = 0, neither = 0;
  std::int64_t pairs() const { return both + only_first + only_second + neither; }
};

struct McNemar {
  double p = 1;           // two-sided; 1 where no pair differs
  double share = 0;       // of only_first among the pairs that differ; NaN for none
  Interval interval;      // of that share; [0, 1] for none
  double difference = 0;  // of both proportions: (only_first - only_second) / pairs; NaN without pairs
};
McNemar mcnemar(const PairedCounts& counts, double confidence = kConfidence);

Interval clopper_pearson_interval(const Count& count, double confidence = kConfidence);  // [0, 1] for no trials

}  // namespace precipice
