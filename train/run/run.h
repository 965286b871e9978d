// SPDX-License-Identifier: Apache-2.0
// One run in one directory (run_directory.h). Resumes by itself from the newest whole checkpoint, with the same bits as
// an uninterrupted run; and goes on after the last step of a run that differs in its length alone, where no step depends
// on that (longer_run.h).
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "metrics/log/status_file.h"
#include "train/recipes/resolved_run.h"
#include "train/run/step_graph.h"

namespace precipice {

struct OpenedDevice;  // train/run/opened_device.h

struct RunProgress {
  std::int64_t step = 0, steps = 0;
  double train_loss = 0, steps_per_second = 0;
};

struct RunRequest {
  ResolvedRun run;
  std::filesystem::path directory;
  std::string invocation;                            // command line as typed, for status.json
  const std::atomic<bool>* stop = nullptr;           // set by a signal: checkpoint and return Interrupted
  std::function<void(const RunProgress&)> progress;  // called after every step; cheap
  std::vector<std::string> included{};               // files that the config's own file included, for the log
  // Values of train.steps that runs beside this one, in directories named by their ids, were given: a run that has not
  // begun goes on from the longest of them that it continues (longer_run.h).
  std::vector<std::int64_t> shorter_lengths{};
  // Called before everything that is written; throws OutputError where another process has taken the run over.
  std::function<void()> guard{};
  // Where it trains, which outlives the run; null: on the device of its config, opened by open_training_device().
  const OpenedDevice* device = nullptr;
  // False: other threads of this process train runs too. Then this one has its thread for itself: it walks backward in it,
  // and on a device has a stream of its own (set_up_thread()); its processor time is this thread's.
  bool is_alone = true;
  // Of the steps of a device (StepGraph), where it is opened here.
  GraphUse graphs = GraphUse::Auto;
};

// What a run says that finds its directory locked.
inline constexpr const char* kRunIsTaken = "another process is running this run";

// Runs to the end, to divergence, or to `stop`. Throws ConfigError when the directory holds a run of another config or
// another process is running it, DataError, OutputError: also when the directory is moved or deleted while the run goes
// on, of which nothing is written elsewhere. The returned status is what status.json says.
RunStatus execute_run(const RunRequest& request);

}  // namespace precipice
