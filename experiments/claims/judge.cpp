// SPDX-License-Identifier: Apache-2.0
#include "experiments/claims/judge.h"

#include <cmath>
#include <map>

#include "experiments/claims/measure.h"
#include "metrics/statistics/holm.h"
#include "metrics/statistics/paired.h"

namespace precipice {
namespace {

using claims::Measured;

Measured measure_claim(const SweepData& data, const Claim& claim) {
  const ClaimRuns runs = select_runs(data, claim);
  Measured measured =
      runs.problem.empty() ? claims::measure(claim, runs.pairs) : claims::cannot_be_judged(claim, runs.problem);
  for (const RunPair& pair : runs.pairs) {
    measured.result.wall_seconds += pair.first->status.wall_seconds + pair.second->status.wall_seconds;
    measured.result.cpu_seconds += pair.first->status.cpu_seconds + pair.second->status.cpu_seconds;
  }
  return measured;
}

Verdict verdict_of(const Measured& measured, const Interval& turned) {
  const Claim& claim = measured.result.claim;
  if (claim.test == ClaimTest::Tost) return equivalence_verdict(turned, {-measured.margin, measured.margin});
  const Verdict verdict = difference_verdict(turned, measured.margin);
  // Of signs against a margin, a majority on the other side is short of the margin and not yet opposite.
  if (verdict == Verdict::Opposite && claim.test == ClaimTest::Sign && claim.margin > 0) return Verdict::Smaller;
  return verdict;
}

void decide(Measured& measured, double level) {
  JudgedClaim& result = measured.result;
  const bool is_tost = result.claim.test == ClaimTest::Tost;
  result.confidence = 1 - (is_tost ? 2 : 1) * level;
  if (!measured.turned_interval) return;
  result.interval = measured.shown_interval(level);
  result.verdict = verdict_of(measured, measured.turned_interval(level));
  if (result.verdict == Verdict::CannotBeJudged && result.reason.empty())
    result.reason = "n is too small for an interval of this confidence";
  if (result.verdict == Verdict::Undecided && result.claim.effect && measured.deviation > 0)
    result.would_need = pairs_for_means((*result.claim.effect - measured.margin) / measured.deviation, 0.8, level);
}

}  // namespace

std::vector<JudgedClaim> judge_claims(const SweepData& data, const std::vector<Claim>& claims) {
  std::vector<Measured> measured;
  std::map<std::string, std::vector<std::size_t>> families;
  for (const Claim& claim : claims) {
    measured.push_back(measure_claim(data, claim));
    families[claim.family].push_back(measured.size() - 1);
  }
  for (const auto& [family, members] : families) {
    std::vector<double> p_values;
    for (const std::size_t i : members) p_values.push_back(measured[i].result.p);
    const std::vector<double> adjusted = holm_adjusted(p_values);
    // Members of one family have one alpha (parse_claims).
    const std::vector<double> levels = holm_levels(p_values, measured[members.front()].result.claim.alpha);
    for (std::size_t m = 0; m < members.size(); ++m) {
      measured[members[m]].result.holm_p = adjusted[m];
      decide(measured[members[m]], levels[m]);
    }
  }
  std::vector<JudgedClaim> judged;
  for (Measured& one : measured) judged.push_back(std::move(one.result));
  return judged;
}

}  // namespace precipice
