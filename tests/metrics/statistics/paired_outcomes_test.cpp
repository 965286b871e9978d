// SPDX-License-Identifier: Apache-2.0
// McNemar's exact test and Clopper and Pearson's interval against statsmodels.
#include "metrics/statistics/paired_outcomes.h"

#include <cmath>

#include "tests/metrics/statistics/golden.h"

namespace precipice {

TEST_CASE("McNemar's exact p and the interval of the discordant share are statsmodels'") {
  for (const auto& row : statistics_golden()["paired_outcomes"]) {
    const PairedCounts counts{row["both"], row["first"], row["second"], row["neither"]};
    const McNemar test = mcnemar(counts);
    CHECK(test.p == same(row["p"]));
    CHECK(test.interval.low == same(row["low"]));
    CHECK(test.interval.high == same(row["high"]));
    CHECK(test.difference ==
          same(static_cast<double>(counts.only_first - counts.only_second) / static_cast<double>(counts.pairs())));
  }
}

TEST_CASE("without a pair that differs nothing is told apart, and without a pair there is no proportion") {
  CHECK(mcnemar({3, 0, 0, 4}).p == 1);
  CHECK((mcnemar({3, 0, 0, 4}).interval == Interval{0, 1}));
  CHECK(mcnemar({3, 0, 0, 4}).difference == 0);
  CHECK(std::isnan(mcnemar({}).difference));
}

TEST_CASE("Clopper and Pearson's interval covers at least its confidence at every proportion") {
  for (const std::int64_t n : {1, 4, 9}) {
    for (int percent = 1; percent < 100; ++percent) {
      const double p = percent / 100.0;
      double covered = 0, probability = std::pow(1 - p, static_cast<double>(n));
      for (std::int64_t k = 0; k <= n; ++k) {
        const Interval interval = clopper_pearson_interval({k, n});
        if (interval.low <= p && p <= interval.high) covered += probability;
        probability *= static_cast<double>(n - k) / static_cast<double>(k + 1) * p / (1 - p);
      }
      CHECK(covered >= 0.95 - 1e-12);
    }
  }
}

}  // namespace precipice
