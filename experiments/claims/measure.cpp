// SPDX-License-Identifier: Apache-2.0
// Claims on outcomes, and what all measures share.
#include "experiments/claims/measure.h"

#include <fmt/format.h>

#include "metrics/statistics/signed_ranks.h"
#include "precision/base/special_numbers.h"

namespace precipice::claims {
namespace {

bool has_outcome(ClaimMetric metric, const AnalysedRun& run) {
  if (metric == ClaimMetric::Diverged) return run.diverged();
  const bool untrained = run.untrained() || run.skipped();
  return metric == ClaimMetric::Untrained ? untrained : untrained || run.diverged();
}

}  // namespace

Measured cannot_be_judged(const Claim& claim, const std::string& reason) {
  Measured measured;
  measured.result.claim = claim;
  measured.result.reason = reason;
  measured.result.effect = measured.result.p = measured.result.holm_p = kNaN;
  measured.result.interval = {kNaN, kNaN};
  return measured;
}

void decide_by_signs(Measured& measured, std::int64_t for_it, std::int64_t against) {
  measured.result.p = two_sided_sign_p(for_it, against);
  const auto share = [=](double level) { return clopper_pearson_interval({for_it, for_it + against}, 1 - level); };
  // A share of one half is no effect.
  measured.turned_interval = [=](double level) {
    const Interval interval = share(level);
    return Interval{2 * interval.low - 1, 2 * interval.high - 1};
  };
  measured.shown_interval = share;
}

Measured measure_outcomes(const Claim& claim, std::span<const RunPair> pairs) {
  PairedCounts counts;
  for (const RunPair& pair : pairs) {
    const bool first = has_outcome(claim.kind, *pair.first), second = has_outcome(claim.kind, *pair.second);
    ++(first && second ? counts.both : first ? counts.only_first : second ? counts.only_second : counts.neither);
  }
  Measured measured;
  measured.result.claim = claim;
  measured.result.pairs = counts.pairs(), measured.result.counts = counts;
  measured.result.effect = mcnemar(counts).difference;
  measured.result.effect_unit = "share of runs";
  measured.result.interval_of = "share of the pairs that differ in which it is as claimed";
  const bool higher = claim.direction == ClaimDirection::Higher;
  decide_by_signs(measured, higher ? counts.only_first : counts.only_second,
                  higher ? counts.only_second : counts.only_first);
  return measured;
}

Measured measure(const Claim& claim, std::span<const RunPair> pairs) {
  switch (claim.kind) {
    case ClaimMetric::FinalLoss:
    case ClaimMetric::Series:
      return measure_means(claim, pairs);
    case ClaimMetric::Diverged:
    case ClaimMetric::Untrained:
    case ClaimMetric::Failed:
      return measure_outcomes(claim, pairs);
    case ClaimMetric::Episodes:
      return measure_episodes(claim, pairs);
    case ClaimMetric::FirstDeparture:
      return measure_departure(claim, pairs);
    case ClaimMetric::Identical:
      return measure_identity(claim, pairs);
  }
  return cannot_be_judged(claim, "");
}

}  // namespace precipice::claims
