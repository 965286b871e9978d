// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/paired_outcomes.h"


#include "metrics/statistics/signed_ranks.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {

McNemar mcnemar(const PairedCounts& counts, double confidence) {
  PRECIPICE_CHECK(counts.both >= 0 && counts.only_first >= 0 && counts.only_second >= 0 && counts.neither >= 0);
  const std::int64_t discordant = counts.only_first + counts.only_second;
  const auto first = static_cast<double>(counts.only_first), second = static_cast<double>(counts.only_second);
  McNemar result;
  result.p = two_sided_sign_p(counts.only_first, counts.only_second);
  result.share = discordant > 0 ? first / (first + second) : kNaN;
  result.interval = clopper_pearson_interval({counts.only_first, discordant}, confidence);
  result.difference = counts.pairs() > 0 ? (first - second) / static_cast<double>(counts.pairs()) : kNaN;
  return result;
}

Interval clopper_pearson_interval(const Count& count, double confidence) {
  PRECIPICE_CHECK(count.events >= 0 && count.events <= count.trials, count.events, " of ", count.trials);
  if (count.trials == 0) return {0, 1};
  const auto k = static_cast<double>(count.events), n = static_cast<double>(count.trials);
  const double tail = (1 - confidence) / 2;
  return {count.events == 0 ? 0 : beta_quantile(k, n - k + 1, tail),
          count.events == count.trials ? 1 : beta_quantile(k + 1, n - k, 1 - tail)};
}

}  // namespace precipice
