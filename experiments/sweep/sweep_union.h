// SPDX-License-Identifier: Apache-2.0
// A sweep directory grows: the record of a further `precipice sweep` lists its own runs and every run that the
// directory held before, with values for the axes of both commands. Seeds always are an axis where they differ. Runs
// whose other settings differ from the new command's are taken together with it only when that is asked for.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/sweep/sweep_record.h"

namespace precipice {

struct JoinedSweep {
  SweepRecord record;         // the new command's axes first, and its runs
  std::size_t earlier = 0;    // runs of the record that the new command does not have
  std::size_t recovered = 0;  // of these, run directories that no record listed
};

// Writes nothing. Run directories that no record lists (older versions forgot them) are taken in where only axes tell
// them from the new runs, or with `add`. Throws ConfigError that names the keys when a recorded run has other settings
// and `add` does not say that this is meant; DataError for a damaged record.
JoinedSweep join_sweep(const std::filesystem::path& directory, const Sweep& sweep, const std::vector<SweepRun>& runs,
                       const std::string& command, bool add);

// The same, written to the directory's sweep.toml while no other sweep changes it. Throws OutputError as well.
JoinedSweep record_sweep(const std::filesystem::path& directory, const Sweep& sweep, const std::vector<SweepRun>& runs,
                         const std::string& command, bool add);

}  // namespace precipice
