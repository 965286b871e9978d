// SPDX-License-Identifier: Apache-2.0
// Jobs, N at a time, in processes that are forks of this one: one process for each, so that a crash costs one run, or one
// for several, each of which has a thread there (worker_process.h), so that they share what a process costs, as a GPU's
// context. A job whose process was killed by a signal is started once more, in a process of its own, since it goes on from
// its checkpoint and may be what the others were killed by; one that ends with an error is not.
// When the launcher is told to stop, workers get SIGTERM, so that they checkpoint, and SIGKILL after a grace period;
// when it dies, the kernel sends them SIGTERM (PR_SET_PDEATHSIG). A job that another process is at waits until that one
// is through with it. When the system refuses a further process, the jobs go on with those that there are.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "experiments/console/process_setup.h"

namespace precipice {

struct Job {
  std::string id;
  std::filesystem::path directory;  // the worker's output is appended to its log.txt
  std::int64_t claim = -1;          // in the worker: what claim_of() said as it was started
  bool is_alone = true;             // in the worker: no other job is done in its process
};

struct WorkerEnd {
  bool killed = false;  // by a signal
  int code = 0;         // exit code, or the signal
  pid_t pid = 0;
  bool stopped = false;      // it had been told to stop
  std::string problem = {};  // not empty: why it could not be started
  bool interrupted() const { return killed ? stopped : code == 130 || code == 143 || code == kMoreToDo; }
  bool failed() const { return (killed || code != 0) && !interrupted(); }
};
std::string describe(
    const WorkerEnd& end);  // "exit code 3", "killed by signal 11 (Segmentation fault)", or the problem

// What is to become of a job whose turn it is. Wait: it is asked again after a pause.
enum class JobTurn { Start, Wait, Skip };

struct SchedulerOptions {
  // What the worker does: it is a copy of this process, which has one thread, and ends with the answer as its exit code.
  // It spares every run the loading of libraries. In a process of several jobs it is called in several threads at once,
  // and what this process has learned since it was forked is not known there, but for the job's claim.
  std::function<int(const Job&)> work;
  std::size_t workers = 1;                  // jobs at once
  std::size_t jobs_per_process = 1;         // at most; others have processes of their own
  bool fail_fast = false;                   // after the first worker that failed: stop the others
  const std::atomic<bool>* stop = nullptr;  // set by a signal
  std::chrono::milliseconds poll{20};
  std::chrono::milliseconds grace{30'000};  // from SIGTERM to SIGKILL
  std::chrono::milliseconds pause{500};     // before a job that waits is asked again, or a process is asked for again
  std::chrono::seconds patience{60};        // with a system that refuses even one process
  std::function<pid_t()> fork = nullptr;    // null: the system's
  std::function<JobTurn(const Job&)> turn = nullptr;  // null: always Start
  // Asked as a job starts; null: -1.
  std::function<std::int64_t(const Job&)> claim_of = nullptr;
  // True for a worker that ended since another process was at its job: it waits, and its end is no failure.
  std::function<bool(const Job&, const WorkerEnd&)> was_taken = nullptr;
  std::function<void(const Job&)> skipped = nullptr;
  std::function<void(std::size_t running, const std::string& why)> refused = nullptr;  // a process, for the first time
  std::function<void(const Job&, const WorkerEnd&)> finished;                          // for good
  std::function<void(const Job&, const WorkerEnd&)> restarted;                         // killed once, tried again
  std::function<void(const std::vector<Job>& running)> tick;                           // at every poll; cheap
};

// Starts the jobs in order and returns when no worker is left. A job whose directory is gone or whose log cannot be
// written fails by itself, its end with the exit code of output that cannot be written, 5. Throws OutputError when the
// system gives no process at all for as long as `patience`.
void run_jobs(const std::vector<Job>& jobs, const SchedulerOptions& options);

}  // namespace precipice
