// SPDX-License-Identifier: Apache-2.0
// Comparisons of two groups whose members belong together in pairs, by seed, with what is to be said of them: the same in
// `merge` and `stats`. A number that could not be computed is NaN, and `reason` says why.
//   values    paired t (metrics/statistics/paired.h) decides; sign, signed-rank and Hodges-Lehmann stand beside it
//   outcomes  McNemar's exact test, with all four counts of pairs
//   survival  log-rank stratified by seed, exact
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiments/console/json_fields.h"
#include "metrics/statistics/paired.h"
#include "metrics/statistics/paired_outcomes.h"
#include "metrics/statistics/signed_ranks.h"
#include "metrics/statistics/stratified_log_rank.h"

namespace precipice {

struct PairedValues {
  std::int64_t pairs = 0;              // all, also those in which a run diverged
  std::int64_t dropped = 0;            // of them without a difference in numbers: a value is infinite
  std::array<std::int64_t, 2> lost{};  // infinite values of the first and of the second
  PairedT test;                        // of the others, first minus second
  double confidence = kConfidence;     // of its interval
  SignTest sign;                       // of all pairs, an infinite value being the worst
  SignedRankTest signed_rank;
  HodgesLehmann shift;
  std::string reason;
};
// Values are finite or +inf, that of a run that diverged; both lists are of one length.
PairedValues compare_paired(std::span<const double> first, std::span<const double> second,
                            double confidence = kConfidence);

// "lower" by t could be the survivors' word: the runs that t leaves out are the first group's. Likewise "higher".
bool rests_on_survivors(const PairedValues& pair);

struct PairedEvents {
  PairedCounts counts;
  McNemar test;
  std::string reason;
};
PairedEvents compare_paired(const PairedCounts& counts, double confidence = kConfidence);

struct PairedSurvival {
  std::int64_t pairs = 0;
  std::array<std::int64_t, 2> events{};
  StratifiedLogRank test;
  std::string reason;
};
PairedSurvival compare_paired(std::span<const SurvivalTime> first, std::span<const SurvivalTime> second);

// What the exact tests of so many pairs cannot do among `comparisons` of one family at 5 %, or "": their least p is
// 2^(1 - n).
std::string why_undecidable(std::int64_t pairs, std::size_t comparisons);

template <class Visit>
void visit_fields(const PairedCounts& counts, const Visit& visit) {
  visit("both", counts.both);
  visit("only_first", counts.only_first);
  visit("only_second", counts.only_second);
  visit("neither", counts.neither);
}

// Tests of the same differences that decide nothing.
template <class Visit>
void visit_beside(const PairedValues& pair, const Visit& visit) {
  visit("pairs_higher", pair.sign.positive);
  visit("pairs_lower", pair.sign.negative);
  visit("sign_p", pair.sign.p);
  visit("signed_rank_p", pair.signed_rank.p);
  visit("hodges_lehmann", pair.shift.estimate);
  visit("hodges_lehmann_interval", pair.shift.interval);
}

template <class Visit>
void visit_fields(const PairedValues& pair, const Visit& visit) {
  visit("pairs", pair.pairs);
  visit("dropped", pair.dropped);
  visit("mean_difference", pair.test.mean);
  visit("deviation", pair.test.deviation);
  visit("interval", pair.test.interval);
  visit("test", "paired t");
  visit("p", pair.test.p);
  visit_beside(pair, visit);
  visit_reason(pair.reason, visit);
}

template <class Visit>
void visit_fields(const PairedEvents& pair, const Visit& visit) {
  visit("pairs", pair.counts.pairs());
  visit_fields(pair.counts, visit);
  visit("difference", pair.test.difference);
  visit("share", pair.test.share);
  visit("share_interval", pair.test.interval);
  visit("test", "McNemar, exact");
  visit("p", pair.test.p);
  visit_reason(pair.reason, visit);
}

template <class Visit>
void visit_fields(const PairedSurvival& pair, const Visit& visit) {
  visit("pairs", pair.pairs);
  visit("events", pair.events);
  visit("u", pair.test.u);
  visit("informative", pair.test.informative);
  visit("test", "log-rank stratified by pair, exact");
  visit("p", pair.test.p);
  visit_reason(pair.reason, visit);
}

}  // namespace precipice
