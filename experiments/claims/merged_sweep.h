// SPDX-License-Identifier: Apache-2.0
// What `precipice merge` finds, and what a sweep leaves at its end: the runs of a directory, their statistics and the
// verdicts of its claims, and index.h5 of all three (experiments/index/sweep_index.h).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "experiments/claims/claims_report.h"
#include "experiments/statistics/sweep_data.h"
#include "experiments/statistics/sweep_statistics.h"

namespace precipice {

struct MergedSweep {
  SweepData data;
  SweepStatistics statistics;
  std::optional<ClaimsReport> claims;  // of a sweep that has any
  std::string problem;                 // why they are not judged: a damaged claims.toml hides no statistics
};

// `reference`: as read_sweep_data. `for_index`: whether write_index follows, which needs the units and long names of series
// as well. Throws what read_sweep_data throws.
MergedSweep merge_sweep(const std::filesystem::path& directory, const std::string& reference = "",
                        bool for_index = true);

// Writes index.h5, atomically. Throws OutputError.
void write_index(const MergedSweep& merged);

}  // namespace precipice
