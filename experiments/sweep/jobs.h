// SPDX-License-Identifier: Apache-2.0
// How many processes of a sweep run at once: as many as cores and memory allow, or as asked for.
#pragma once

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

// `asked`: 0 for as many as the cores and the memory allow, at least one.
Jobs plan_jobs(const std::vector<const SweepRun*>& runs, std::size_t asked, const AvailableMemory& available);

}  // namespace precipice
