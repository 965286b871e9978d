// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/paired_summaries.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "experiments/statistics/summaries.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr double kPairsAlpha = 0.05;

std::string why_no_mean(const PairedValues& pair) {
  if (pair.pairs == 0) return "no pairs";
  const auto used = pair.pairs - pair.dropped;
  if (used == 0) return "no pair has two finite values";
  if (used == 1) return "n too small: an interval needs two pairs with finite values";
  if (pair.test.is_constant)
    return pair.test.mean == 0 ? "both are equal in every pair"
                               : fmt::format("every pair is shifted by exactly {:+.6g}", pair.test.mean);
  return "";
}

}  // namespace

PairedValues compare_paired(std::span<const double> first, std::span<const double> second, double confidence) {
  PRECIPICE_CHECK(first.size() == second.size(), first.size(), " ", second.size());
  PairedValues pair;
  std::vector<double> finite, ranked;
  for (std::size_t i = 0; i < first.size(); ++i) {
    ++pair.pairs;
    pair.lost[0] += std::isinf(first[i]), pair.lost[1] += std::isinf(second[i]);
    const bool has_both = std::isfinite(first[i]) && std::isfinite(second[i]);
    if (has_both) finite.push_back(first[i] - second[i]);
    // Two diverged runs are alike.
    ranked.push_back(first[i] == second[i] ? 0 : first[i] - second[i]);
  }
  pair.dropped = pair.pairs - static_cast<std::int64_t>(finite.size());
  pair.test = paired_t(finite, 0, confidence);
  pair.confidence = confidence;
  pair.sign = sign_test(ranked);
  pair.signed_rank = signed_rank_test(ranked);
  pair.shift = hodges_lehmann(ranked, confidence);
  pair.reason = why_no_mean(pair);
  if (std::isnan(pair.shift.estimate) && pair.pairs > 0)
    pair.reason = joined_reasons(pair.reason, "inf and -inf meet in Hodges and Lehmann's shift");
  else if (std::isnan(pair.shift.interval.low) || std::isnan(pair.shift.interval.high))
    pair.reason = joined_reasons(pair.reason, "no exact interval of Hodges and Lehmann's from so few pairs");
  return pair;
}

bool rests_on_survivors(const PairedValues& pair) {
  return pair.dropped > 0 && (pair.test.mean < 0 ? pair.lost[0] > 0 : pair.lost[1] > 0);
}

PairedEvents compare_paired(const PairedCounts& counts, double confidence) {
  PairedEvents pair{counts, mcnemar(counts, confidence), ""};
  if (counts.pairs() == 0)
    pair.reason = "no pairs";
  else if (counts.only_first + counts.only_second == 0)
    pair.reason = "no pair differs";
  return pair;
}

PairedSurvival compare_paired(std::span<const SurvivalTime> first, std::span<const SurvivalTime> second) {
  PRECIPICE_CHECK(first.size() == second.size(), first.size(), " ", second.size());
  PairedSurvival pair;
  std::vector<SurvivalStratum> strata;
  for (std::size_t i = 0; i < first.size(); ++i) {
    strata.push_back({{first[i]}, {second[i]}});
    pair.events[0] += first[i].event, pair.events[1] += second[i].event;
  }
  pair.pairs = static_cast<std::int64_t>(strata.size());
  pair.test = stratified_log_rank(strata);
  if (pair.pairs == 0)
    pair.reason = "no pairs";
  else if (pair.events[0] + pair.events[1] == 0)
    pair.reason = "no run had an event";
  else if (std::isnan(pair.test.p))
    pair.reason = "no pair says which of both was first";
  return pair;
}

std::string why_undecidable(std::int64_t pairs, std::size_t comparisons) {
  const double least = least_exact_p(pairs),
               level = kPairsAlpha / static_cast<double>(std::max<std::size_t>(comparisons, 1));
  if (least <= level) return "";
  std::int64_t needed = pairs;
  while (least_exact_p(needed) > level) ++needed;
  return fmt::format(
      "{} pairs cannot decide the first of {} comparisons: the least p of the exact test is {:.2g}, and "
      "{:.2g} is needed, which {} pairs that differ can give",
      pairs, comparisons, least, level, needed);
}

}  // namespace precipice
