// SPDX-License-Identifier: Apache-2.0
// One invocation of `precipice sweep`: which of the runs still have to go on, their workers, progress, and what became
// of them. A run that another process is training is waited for.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "experiments/console/progress.h"
#include "experiments/sweep/observed_run.h"
#include "experiments/sweep/scheduler.h"
#include "experiments/sweep/sweep.h"

namespace precipice {

enum class RunSelection { Unfinished, Failed, Missing };

// Whether a run in this state is to be run. Finished runs never are; Missing leaves out failed ones.
bool is_selected(RunState state, RunSelection selection);

struct SweepSummary {
  std::map<RunState, std::size_t> states;  // of all runs, finished earlier or now
  std::size_t failed = 0;                  // of the runs of this session
  std::size_t interrupted = 0;
};
// "36 runs: 32 done, 3 diverged, 1 failed"
std::string describe(const std::map<RunState, std::size_t>& states);

class SweepSession {
 public:
  struct Options {
    std::filesystem::path directory;
    // Trains the run in its directory, which has its config.toml; called in a process of its own, whose exit code it
    // gives.
    std::function<int(const SweepRun&, const std::filesystem::path& directory)> train;
    std::size_t workers = 1;
    RunSelection selection = RunSelection::Unfinished;
    bool fail_fast = false;
    const std::atomic<bool>* stop = nullptr;
    // Told of each run that has ended here, or by another process meanwhile, so that nothing is left to train.
    std::function<void(const std::string& id)> ended{};
  };
  SweepSession(const std::vector<SweepRun>& runs, Options options, ProgressPrinter& printer);
  SweepSummary run();

 private:
  std::vector<Job> prepare_jobs();
  JobTurn turn_of(const Job& job);
  bool was_taken(const Job& job, const WorkerEnd& end) const;
  void on_skipped(const Job& job);
  void on_finished(const Job& job, const WorkerEnd& end);
  void count_steps(const Job& job, const RunStatus& status);
  std::string line_of(const Job& job, const std::string& what) const;
  void on_tick(const std::vector<Job>& running);
  std::filesystem::path directory_of(const std::string& id) const { return options_.directory / id; }

  const std::vector<SweepRun>& runs_;
  Options options_;
  ProgressPrinter& printer_;
  SweepSummary summary_;
  SweepProgress progress_;
  RateMeter rate_;
  std::map<std::string, const SweepRun*> by_id_;
  std::map<std::string, std::size_t> log_size_;     // of a run's log.txt when its worker was started
  std::set<std::string> waited_for_;                // runs that another process was seen at
  std::map<std::string, std::int64_t> steps_done_;  // of the session's runs
  std::int64_t steps_total_ = 0;
};

}  // namespace precipice
