// SPDX-License-Identifier: Apache-2.0
// Formats against their references (compared_formats.h) at each learning rate. Where seeds match, pairs by seed are compared:
//   final loss   paired t on the differences in nats decides; sign, signed-rank and Hodges-Lehmann stand beside it
//   divergence   McNemar's exact test on the pairs that differ
//   failure      the same of runs that diverged or learnt nothing; where some run is untrained or skipped
//   survival     log-rank stratified by seed, exact
// Where no seeds match the groups are compared as they are, and the sentence says so: Mann-Whitney with diverged runs last,
// Fisher's exact test with Newcombe's interval, log-rank.
// Losses of diverged runs are no nats: they enter no mean and no median in nats, and are the worst in ranks. A pair left out
// of t for that reason is counted, and no word rests on the survivors alone.
// Holm's correction counts the comparisons of one kind; intervals of losses and counts stand at the level that it gives each,
// so that word and interval agree.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "experiments/statistics/paired_summaries.h"
#include "experiments/statistics/summaries.h"
#include "experiments/statistics/sweep_data.h"

namespace precipice {

inline constexpr std::uint64_t kReportSeed = 0;  // of the bootstraps

// A format against its reference at one learning rate. Arrays: of the format, and of the reference.
struct FormatComparison {
  std::string format, reference;
  std::vector<std::string> differs;  // keys
  double learning_rate = 0;
  std::array<std::int64_t, 2> untrained{}, skipped{};  // of runs that ended
  std::array<std::int64_t, 2> n{};                     // runs that the kind of comparison can use
  bool paired = false;
  std::int64_t pairs = 0;
  double effect = 0;  // format less reference, NaN where there is none
  Interval interval;
  std::string interval_of;  // "" for the effect itself
  double confidence = kConfidence;
  std::string test;
  double p = 0, holm_p = 0;
  std::string verdict, reason, sentence;
};

struct OutcomeComparison : FormatComparison {
  std::array<std::int64_t, 2> events{};
  std::optional<PairedCounts> counts;  // of pairs
};
struct SurvivalComparison : FormatComparison {
  std::array<double, 2> observed{}, expected{};
  std::int64_t informative = 0;  // seeds that say which was first
};
struct LossComparison : FormatComparison {
  std::optional<PairedValues> pairwise;
  std::optional<ValuePair> groups;  // where no seeds match
};
struct FormatComparisons {
  std::vector<OutcomeComparison> divergence, failure;
  std::vector<SurvivalComparison> survival;
  std::vector<LossComparison> final_loss;
};

FormatComparisons format_comparisons(const SweepData& data);

// Of runs that ended, or have a curve.
std::vector<SurvivalTime> survival_times(const std::vector<const AnalysedRun*>& runs);
Count divergence_count(const std::vector<const AnalysedRun*>& runs);
std::int64_t count_ended(const std::vector<const AnalysedRun*>& runs, bool (AnalysedRun::*is)() const);

// What every comparison begins and ends with.
template <class Visit>
void visit_head(const FormatComparison& pair, const Visit& visit) {
  visit("format", pair.format);
  visit("reference", pair.reference);
  visit("differs", pair.differs);
  visit("learning_rate", pair.learning_rate);
  visit("paired", pair.paired);
  visit("pairs", pair.pairs);
  visit("n", pair.n);
}
template <class Visit>
void visit_end(const FormatComparison& pair, const Visit& visit) {
  visit("effect", pair.effect);
  visit("interval", pair.interval);
  visit("interval_of", pair.interval_of);
  visit("confidence", pair.confidence);
  visit("test", pair.test);
  visit("p", pair.p);
  visit("holm_p", pair.holm_p);
  visit("untrained", pair.untrained);
  visit("skipped", pair.skipped);
  visit("verdict", pair.verdict);
  visit_reason(pair.reason, visit);
  visit("sentence", pair.sentence);
}

template <class Visit>
void visit_fields(const OutcomeComparison& pair, const Visit& visit) {
  visit_head(pair, visit);
  visit("events", pair.events);
  if (pair.counts) visit("counts", *pair.counts);
  visit_end(pair, visit);
}

template <class Visit>
void visit_fields(const SurvivalComparison& pair, const Visit& visit) {
  visit_head(pair, visit);
  visit("observed", pair.observed);
  visit("expected", pair.expected);
  if (pair.paired) visit("informative", pair.informative);
  visit_end(pair, visit);
}

template <class Visit>
void visit_fields(const LossComparison& pair, const Visit& visit) {
  visit_head(pair, visit);
  if (pair.pairwise) {
    visit("dropped", pair.pairwise->dropped);
    visit("deviation", pair.pairwise->test.deviation);
    visit_beside(*pair.pairwise, visit);
  }
  if (pair.groups) {
    visit("u", pair.groups->u);
    visit("superiority", pair.groups->superiority);
    visit("exact", pair.groups->exact);
  }
  visit_end(pair, visit);
}

template <class Visit>
void visit_fields(const FormatComparisons& comparisons, const Visit& visit) {
  visit("divergence", comparisons.divergence);
  if (!comparisons.failure.empty()) visit("failure", comparisons.failure);
  visit("survival", comparisons.survival);
  visit("final_loss", comparisons.final_loss);
}

}  // namespace precipice
