// SPDX-License-Identifier: Apache-2.0
// What `--dry-run` prints: parameters, memory and disk at once, then the time of a step, measured in ten seconds at
// most, then the rest. Nothing is written.
#pragma once

#include <filesystem>

#include "experiments/sweep/sweep_session.h"

namespace precipice {

struct ResolvedRun;  // train/recipes/resolved_run.h

// The whole output is a config file, with the plan in comments. Both throw what the run would throw at its start, and
// NotEnoughMemory, once all is printed, where the machine has too little.
void print_run_plan(const ResolvedRun& run, const std::filesystem::path& directory);

struct SweepPlanOptions {
  std::filesystem::path directory;
  RunSelection selection = RunSelection::Unfinished;
  std::size_t jobs = 0;              // as asked for; 0: as many as fit
  bool all_runs = false;             // the table is not cut
  std::size_t runs_per_process = 0;  // as asked for; 0: as the device has it
};
void print_sweep_plan(const Sweep& sweep, const std::vector<SweepRun>& runs, const SweepPlanOptions& options);

}  // namespace precipice
