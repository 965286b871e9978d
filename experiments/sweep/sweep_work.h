// SPDX-License-Identifier: Apache-2.0
// What is left to do of a sweep, seen in its directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "experiments/sweep/sweep_session.h"

namespace precipice {

struct SweepWork {
  std::vector<RunStatus> statuses;     // of all runs
  std::vector<const SweepRun*> to_go;  // runs that the selection would start
  std::int64_t steps = 0;              // of those, not taken yet
  double work = 0;                     // of those steps, in steps of the first run (step_timing.h: step_work)
  double longest = 0;                  // of the run that has most of it
};

// `runs`: at least one; those that are to go are pointers into it.
SweepWork work_left(const std::vector<SweepRun>& runs, const std::filesystem::path& directory, RunSelection selection);

}  // namespace precipice
