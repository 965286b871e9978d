// SPDX-License-Identifier: Apache-2.0
// One invocation of `precipice sweep`: which of the runs still have to go on, their workers, progress, and what became
// of them. A run that another process is training is waited for. Several processes work at one sweep by claims
// (experiments/shards/claim_board.h): each takes the runs of its own share first and then whatever is left.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "experiments/console/console.h"
#include "experiments/console/progress.h"
#include "experiments/shards/shared_runs.h"
#include "experiments/sweep/observed_run.h"
#include "experiments/sweep/run_costs.h"
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
  std::size_t left = 0;      // not begun, since they would not have ended within the budget
  bool budget_used = false;  // and there is more to do
};
// "36 runs: 32 done, 3 diverged, 1 failed"
std::string describe(const std::map<RunState, std::size_t>& states);

class SweepSession {
 public:
  struct Options {
    std::filesystem::path directory;
    // Trains the run in its job's directory, which has its config.toml, and gives its exit code; called in a worker
    // (SchedulerOptions::work).
    std::function<int(const SweepRun&, const Job&)> train;
    std::size_t workers = 1;  // runs at once
    RunSelection selection = RunSelection::Unfinished;
    bool fail_fast = false;
    const std::atomic<bool>* stop = nullptr;
    SharedRuns* shared = nullptr;    // null: locks alone keep processes apart
    std::optional<double> budget{};  // seconds from now on, after which the runs checkpoint and the session ends
    // Told of each run that has ended here, or by another process meanwhile, so that nothing is left to train.
    std::function<void(const std::string& id)> ended{};
    std::size_t runs_per_process = 1;  // at most
  };
  SweepSession(const std::vector<SweepRun>& runs, Options options, ProgressPrinter& printer);
  SweepSummary run();

 private:
  std::vector<Job> prepare_jobs();
  void order_jobs(std::vector<Job>& jobs) const;
  JobTurn turn_of(const Job& job);
  JobTurn claimed_turn(const Job& job, const RunStatus& seen);
  JobTurn start_turn(const Job& job);
  JobTurn wait_turn(const Job& job, const std::string& for_whom);
  bool failed_elsewhere(const Job& job, const RunStatus& status) const;
  double budget_left() const { return *options_.budget - (monotonic_seconds() - begun_); }
  bool was_taken(const Job& job, const WorkerEnd& end);
  void on_skipped(const Job& job);
  void on_finished(const Job& job, const WorkerEnd& end);
  void count_steps(const Job& job, const RunStatus& status);
  std::string line_of(const Job& job, const std::string& what) const;
  void on_tick(const std::vector<Job>& running);
  void tell_others(const std::vector<Job>& running);
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
  double begun_ = monotonic_seconds();
  std::atomic<bool> stop_{false};  // of the scheduler: a signal, or the end of the budget
  RunCosts costs_;
  std::map<std::string, std::filesystem::file_time_type> failed_before_;  // when a run had failed: its status.json
  std::set<std::string> left_for_later_;                                  // would not have ended within the budget
};

}  // namespace precipice
