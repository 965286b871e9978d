// SPDX-License-Identifier: Apache-2.0
// How many runs of a sweep are trained at once: as many as cores and memory allow, or as asked for; and in how many
// processes.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "experiments/console/machine_memory.h"
#include "experiments/sweep/sweep.h"

namespace precipice {

std::int64_t usable_cores();  // of this process

struct Jobs {
  std::size_t count = 1;    // as asked for, or as many as cores and memory allow
  std::size_t fitting = 1;  // as many as the memory allows, at least one
  double bytes = 0;         // memory of so many of the runs that need most; shared pages of libraries count once
  std::string problem;      // why that many are too many, or one; empty: they fit
};

// A crash costs all runs of a process, which go on from their checkpoints.
inline constexpr std::size_t kMostRunsPerProcess = 16;
// How many runs share a process, at most: as many as asked for; where nothing was asked for (0), on a GPU, whose context they
// share, all that run at once, in as few equal parts as the limit allows, and one elsewhere.
std::size_t runs_per_process(const std::vector<const SweepRun*>& runs, std::size_t at_once, std::size_t asked);
// "16 runs at once, in one process", "2 runs at once, in a process each"
std::string describe_processes(std::size_t at_once, std::size_t per_process);

// `asked`: 0 for as many as the cores and the memory allow, at least one.
// `gpu_room`: more than that do not fit a GPU's memory (runs_fitting_gpu()).
Jobs plan_jobs(const std::vector<const SweepRun*>& runs, std::size_t asked, const AvailableMemory& available,
               std::size_t gpu_room = std::numeric_limits<std::size_t>::max());
// The same with the room that their GPU has, which is opened where one of them trains on it.
Jobs plan_jobs_here(const std::vector<const SweepRun*>& runs, std::size_t asked, const AvailableMemory& available);

}  // namespace precipice
