// SPDX-License-Identifier: Apache-2.0
// One claim measured by itself: its p against the margin, and its interval at any level. Private to experiments/claims.
#pragma once

#include <functional>
#include <span>

#include "experiments/claims/claim_runs.h"
#include "experiments/claims/judge.h"

namespace precipice::claims {

// Effects are turned so that the claimed direction is positive.
struct Measured {
  JudgedClaim result;                                     // all but verdict, interval and what depends on the family
  double margin = 0;                                      // in the units of the turned interval
  std::function<Interval(double level)> turned_interval;  // empty where the claim cannot be judged
  std::function<Interval(double level)> shown_interval;   // of result.effect
  double deviation = 0;                                   // of paired differences; 0 where there are none
};

Measured measure(const Claim& claim, std::span<const RunPair> pairs);

// The parts of measure(), by metric.
Measured measure_means(const Claim& claim, std::span<const RunPair> pairs);      // measure_means.cpp
Measured measure_outcomes(const Claim& claim, std::span<const RunPair> pairs);   // measure.cpp
Measured measure_episodes(const Claim& claim, std::span<const RunPair> pairs);   // measure_episodes.cpp
Measured measure_departure(const Claim& claim, std::span<const RunPair> pairs);  // measure_episodes.cpp
Measured measure_identity(const Claim& claim, std::span<const RunPair> pairs);   // measure_identity.cpp

Measured cannot_be_judged(const Claim& claim, const std::string& reason);
// Of k of n seeds for the claim, the others against it: the sign test's p, and the exact interval of the share.
void decide_by_signs(Measured& measured, std::int64_t for_it, std::int64_t against);

}  // namespace precipice::claims
