// SPDX-License-Identifier: Apache-2.0
// Cases and controls of a sweep: who diverged by a rule, in which half of the seeds, in which stratum.
#pragma once

#include <string>
#include <vector>

#include "experiments/statistics/sweep_data.h"
#include "experiments/warnings/warn_report.h"
#include "metrics/warning/early_warning.h"

namespace precipice {

struct WarnRuns {
  std::vector<WarnRun> runs;
  std::vector<const AnalysedRun*> sources;  // of each run
  std::vector<std::string> within;          // axes in which compared runs agree
  std::vector<std::string> notes;           // runs left out and why, and what the comparison cannot tell
};

// Halves: distinct seeds in rising order go to half 0 and 1 in turn, so runs of one seed are never in both.
WarnRuns make_warn_runs(const SweepData& data, const WarnOptions& options);

}  // namespace precipice
