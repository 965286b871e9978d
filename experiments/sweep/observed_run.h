// SPDX-License-Identifier: Apache-2.0
// A run as the launcher and `status` see it from outside the process that trains, in its directory
// (train/run/run_directory.h).
#pragma once

#include <filesystem>
#include <string>

#include "experiments/sweep/scheduler.h"
#include "metrics/log/status_file.h"
#include "train/run/run_directory.h"

namespace precipice {

// The status with its state as observed now; pending where there is none, failed with the reason where it is damaged or
// is not to be believed (metrics/log/status_doubt.h). `id`: the run that should be here, "": that of its config.toml.
// `run_file`: as there.
RunStatus observe_run(const std::filesystem::path& directory, const std::string& id = "",
                      std::string* run_file = nullptr);

// False where nothing was computed yet: no journal, run.h5 or checkpoint, and no status that speaks of any.
bool has_begun(const std::filesystem::path& directory);

// Writes into status.json that the worker of run `id` failed, with the last line of its log; not over the result of a
// finished run, nor over the status of a process that is running it, nor into another run's directory, nor where there
// is no directory any more.
void record_failure(const std::filesystem::path& directory, const std::string& id, const WorkerEnd& end);

// The last line of log.txt, "" when there is none.
std::string last_log_line(const std::filesystem::path& directory);

// "2.3412", "nan", "inf"; "-" before the first step
std::string loss_text(const RunStatus& status);
// "done  step 400/400  loss 2.3412", "diverged at step 17 (non-finite loss)  step 18/400  loss nan"; no step of a run
// that never began, no loss before the first step; "skipped 3 of 400 steps" where the loss scale left some out.
std::string describe(const RunStatus& status);

}  // namespace precipice
