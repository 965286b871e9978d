// SPDX-License-Identifier: Apache-2.0
// Claims judged from the stored files of a sweep (metrics/statistics/verdict.h has the words). Two steps: every claim is
// measured by itself; then those of a family share alpha by Holm's rule, which sets the level of each one's interval.
// Losses of runs that diverged are no nats: their pairs leave the t test and are counted, and a claim that could be won
// by leaving them out ("lower", or equivalence) is not judged.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/claims/claim.h"
#include "experiments/statistics/sweep_data.h"
#include "metrics/statistics/paired_outcomes.h"
#include "metrics/statistics/verdict.h"

namespace precipice {

// Tests of the same differences that decide nothing.
struct BesideTests {
  double sign_p = 1, signed_rank_p = 1;
  double hodges_lehmann = 0;
  Interval hodges_lehmann_interval;
};

struct JudgedClaim {
  Claim claim;
  Verdict verdict = Verdict::CannotBeJudged;
  std::string reason;        // of "cannot be judged" and "different"; else what should be known, or ""
  std::int64_t pairs = 0;    // that the deciding test used
  std::int64_t dropped = 0;  // left out of it, a run having diverged
  double effect = 0;         // first against second: a difference, or a ratio of rates; NaN
  std::string effect_unit;   // "nats", "ratio", "share of runs", "share of seeds that differ", ...
  Interval interval;         // of the effect at `confidence`; of `interval_of` where that is not ""
  std::string interval_of;
  double confidence = 0;
  double p = 1, holm_p = 1;  // against the margin; NaN
  std::optional<BesideTests> beside;
  std::optional<PairedCounts> counts;  // of diverged, untrained, failed
  std::int64_t would_need = 0;  // pairs for 80 % power at the claimed effect; 0: not asked or not known, -1: too many
  double cpu_seconds = 0;       // processor time of its runs; NaN where one has not recorded it
  double wall_seconds = 0;      // training time of its runs
};

std::vector<JudgedClaim> judge_claims(const SweepData& data, const std::vector<Claim>& claims);

}  // namespace precipice
