// SPDX-License-Identifier: Apache-2.0
// The runs that a claim speaks of: pairs of one seed, one of each of the two formats that it compares, all else equal.
#pragma once

#include <string>
#include <vector>

#include "experiments/claims/claim.h"
#include "experiments/statistics/run_pairs.h"
#include "experiments/statistics/sweep_data.h"

namespace precipice {

struct ClaimRuns {
  std::vector<RunPair> pairs;  // the claim's n, the lowest seeds first
  std::string problem;         // why the claim cannot be judged; "" where it can
};

// Never throws for what a claim names: a value, an axis or seeds that the sweep has not are the `problem`.
ClaimRuns select_runs(const SweepData& data, const Claim& claim);
// Before the runs: why the claim could not be judged when all of these have ended; "" where it could.
std::string problem_of_plan(const SweepData& planned, const Claim& claim);

}  // namespace precipice
