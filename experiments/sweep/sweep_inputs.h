// SPDX-License-Identifier: Apache-2.0
// The files that the runs of a sweep read (train/run/run_inputs.h), seen together: one path must mean one file for all
// runs of a sweep directory, whenever they were begun.
#pragma once

#include <filesystem>
#include <vector>

#include "experiments/sweep/sweep.h"

namespace precipice {

// Throws DataError when a file that a run of `runs` names is not the one that a run of the directory, listed in
// sweep.toml or among `runs`, recorded under the same path. A file that is missing is its runs' own error.
void check_sweep_inputs(const std::filesystem::path& directory, const std::vector<SweepRun>& runs);

}  // namespace precipice
