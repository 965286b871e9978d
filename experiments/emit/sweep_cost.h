// SPDX-License-Identifier: Apache-2.0
// What the runs of a sweep that are left take, as a dry run finds it: time from steps that are measured here and thrown
// away (experiments/sweep/step_timing.h), memory by arithmetic.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "experiments/emit/task_sizes.h"
#include "experiments/sweep/sweep_work.h"

namespace precipice {

struct SweepCost {
  SweepSeconds seconds;
  std::string how;             // "12.3 ms a step of the first run here, measured", or why it was not
  std::int64_t threads = 1;    // of the run that has most
  std::int64_t megabytes = 0;  // of `jobs` runs at once, the largest ones, and a quarter more; 2^20 bytes each
};

// Takes ten seconds at most. `work`: with a run to go.
SweepCost cost_of(const std::vector<SweepRun>& runs, const SweepWork& work, std::size_t jobs);

}  // namespace precipice
