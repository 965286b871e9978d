// SPDX-License-Identifier: Apache-2.0
// Claims on means: final losses, and series over a range of steps.
#include <fmt/format.h>

#include <cmath>

#include "experiments/claims/measure.h"
#include "metrics/statistics/bootstrap.h"
#include "metrics/statistics/paired.h"
#include "metrics/statistics/signed_ranks.h"
#include "precision/base/special_numbers.h"

namespace precipice::claims {
namespace {

double series_mean(const AnalysedRun& run, const Claim& claim) {
  const std::vector<double>* values = find_series(run.columns, claim.series.group, claim.series.name);
  if (values == nullptr) return kNaN;
  const ColumnGroup& group = run.columns.at(claim.series.group);
  double sum = 0, count = 0;
  for (std::size_t row = 0; row < group.steps.size(); ++row) {
    if (group.steps[row] < claim.from || group.steps[row] > claim.to) continue;
    for (std::size_t i = 0; i < group.width(); ++i) sum += (*values)[row * group.width() + i], ++count;
  }
  return count > 0 ? sum / count : kNaN;
}

double compared_value(const AnalysedRun& run, const Claim& claim) {
  return claim.kind == ClaimMetric::FinalLoss ? run.final_loss() : series_mean(run, claim);
}

struct PairDifferences {
  std::vector<double> finite, ranked;  // first minus second; ranked keeps +-inf of runs that diverged
  std::vector<double> second;          // of the finite pairs
  std::int64_t dropped = 0;
  bool first_lost = false, second_lost = false;  // of a dropped pair
};

PairDifferences differences_of(const Claim& claim, std::span<const RunPair> pairs) {
  PairDifferences d;
  for (const RunPair& pair : pairs) {
    const double first = compared_value(*pair.first, claim), second = compared_value(*pair.second, claim);
    if (std::isfinite(first) && std::isfinite(second)) {
      d.finite.push_back(first - second), d.second.push_back(second);
      d.ranked.push_back(first - second);
      continue;
    }
    ++d.dropped;
    d.first_lost |= !std::isfinite(first), d.second_lost |= !std::isfinite(second);
    const bool alike = !std::isfinite(first) && !std::isfinite(second);
    d.ranked.push_back(alike ? 0 : std::isfinite(second) ? INFINITY : -INFINITY);
  }
  return d;
}

bool wins_by_survivors(const Claim& claim, const PairDifferences& d) {
  if (d.dropped == 0) return false;
  if (claim.direction == ClaimDirection::Equivalent) return true;
  return claim.direction == ClaimDirection::Lower ? d.first_lost : d.second_lost;
}

BesideTests tests_beside(const std::vector<double>& ranked) {
  const HodgesLehmann shift = hodges_lehmann(ranked);
  return {sign_test(ranked).p, signed_rank_test(ranked).p, shift.estimate, shift.interval};
}

// Test and interval of one that ranks or counts signs, against the margin.
void decide_by_ranks(const Claim& claim, Measured& measured, const std::vector<double>& ranked, double sign) {
  std::vector<double> beyond;
  for (const double d : ranked) beyond.push_back(sign * d - measured.margin);
  if (claim.test == ClaimTest::Sign) {
    const SignTest test = sign_test(beyond);
    measured.margin = 0;
    measured.result.interval_of = "share of seeds beyond the margin";
    return decide_by_signs(measured, test.positive, test.negative);
  }
  measured.result.p = signed_rank_test(beyond).p;
  measured.turned_interval = [=](double level) {
    std::vector<double> turned;
    for (const double d : ranked) turned.push_back(sign * d);
    return hodges_lehmann(turned, 1 - level).interval;
  };
  measured.shown_interval = [=](double level) { return hodges_lehmann(ranked, 1 - level).interval; };
}

void decide_by_means(const Claim& claim, Measured& measured, const std::vector<double>& d, double sign) {
  const double margin = measured.margin;
  if (claim.test == ClaimTest::Tost) {
    measured.result.p = equivalence_test(d, {-margin, margin}, claim.alpha).p;
    measured.turned_interval = [=](double level) { return paired_t(d, 0, 1 - 2 * level).interval; };
    measured.shown_interval = measured.turned_interval;
    return;
  }
  measured.result.p = paired_t(d, sign * margin).p;
  measured.turned_interval = [=](double level) {
    const Interval interval = paired_t(d, 0, 1 - level).interval;
    return sign > 0 ? interval : Interval{-interval.high, -interval.low};
  };
  measured.shown_interval = [=](double level) { return paired_t(d, 0, 1 - level).interval; };
}

}  // namespace

Measured measure_means(const Claim& claim, std::span<const RunPair> pairs) {
  if (claim.kind == ClaimMetric::Series)
    for (const RunPair& pair : pairs)
      for (const AnalysedRun* run : {pair.first, pair.second})
        if (find_series(run->columns, claim.series.group, claim.series.name) == nullptr)
          return cannot_be_judged(
              claim, fmt::format("run {} has no series {}/{}", run->id, claim.series.group, claim.series.name));
  const PairDifferences d = differences_of(claim, pairs);
  Measured measured = cannot_be_judged(claim, "");
  measured.result.dropped = d.dropped;
  measured.result.pairs = static_cast<std::int64_t>(d.finite.size());
  if (d.finite.empty()) {
    measured.result.reason = "no pair has two numbers: in each a run diverged or has no value";
    return measured;
  }
  const PairedT test = paired_t(d.finite);
  measured.result.effect = test.mean, measured.deviation = std::isnan(test.deviation) ? 0 : test.deviation;
  measured.result.effect_unit =
      claim.kind == ClaimMetric::FinalLoss ? "nats" : claim.series.group + "/" + claim.series.name;
  measured.result.beside = tests_beside(d.ranked);
  if (test.is_constant && test.mean == 0)
    measured.result.reason = "equal in every seed";
  else if (test.is_constant)
    measured.result.reason = fmt::format("every seed is shifted by exactly {:+.6g}", test.mean);
  const bool by_ranks = claim.test == ClaimTest::Sign || claim.test == ClaimTest::SignedRank;
  if (!by_ranks && wins_by_survivors(claim, d)) {
    measured.result.reason = fmt::format(
        "{} of {} pairs have a run without a number, and without them the claim could be won", d.dropped, pairs.size());
    return measured;
  }
  measured.margin = claim.margin * (claim.margin_is_relative ? std::abs(mean_of(d.second)) : 1);
  const double sign = claim.direction == ClaimDirection::Lower ? -1 : 1;
  if (by_ranks)
    decide_by_ranks(claim, measured, d.ranked, sign);
  else
    decide_by_means(claim, measured, d.finite, sign);
  return measured;
}

}  // namespace precipice::claims
