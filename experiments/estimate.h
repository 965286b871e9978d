// SPDX-License-Identifier: Apache-2.0
// What `--dry-run` says a run will take, measured where possible: a few steps are taken in this process and thrown
// away.
#pragma once

#include <filesystem>

#include "train/run_config.h"

namespace precipice {

struct RunEstimate {
  std::int64_t parameters = 0;
  double step_seconds = 0;  // measured
  double memory_bytes = 0;  // measured: the peak of this process after those steps
  double disk_bytes = 0;    // journal and run.h5 (at most as large: it is compressed), two checkpoints
};

// Opens the data, makes the model and trains a few steps. Throws what a run would throw at its start.
RunEstimate estimate_run(const RunConfig& config);

// Free space where `path` is or will be; NaN when unknown.
double free_bytes(const std::filesystem::path& path);

}  // namespace precipice
