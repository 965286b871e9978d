// SPDX-License-Identifier: Apache-2.0
// The processes of run_jobs() (scheduler.h), forks of this one. A process of one job does it, writes into the job's log
// and ends with the job's exit code. A process of several jobs has a thread for each that it does at once; it is told of
// one after the other and says of each how it ended, by messages of a socket (unix(7), SOCK_SEQPACKET), which come whole
// or not at all whoever is killed when. Its threads write into the logs of their jobs, and what nobody's thread says, as
// a library that ends the process does, goes into memory that the launcher reads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "experiments/sweep/scheduler.h"
#include "metrics/files/file_descriptor.h"

namespace precipice {

// How a job of several ended, by its place in the list of jobs.
struct JobEnd {
  std::size_t place = 0;
  int code = 0;
  std::string problem = {};
};

class WorkerProcess {
 public:
  // `leave` is called in the process, to let go of what only the launcher needs. Nothing, with errno set, where the system
  // has no process to give at present.
  static std::optional<WorkerProcess> of_one_job(const Job& job, int log, const SchedulerOptions& options,
                                                 const std::function<void()>& leave);
  // `jobs` and `options` outlive it.
  static std::optional<WorkerProcess> of_several_jobs(const std::vector<Job>& jobs, const SchedulerOptions& options,
                                                      const std::function<void()>& leave);

  pid_t pid() const { return pid_; }
  bool takes_jobs() const { return socket_.valid() && !is_closed_; }

  // Of several jobs. A job that a process is given as it dies is unfinished when it has ended.
  void give(std::size_t place, std::int64_t claim) const;
  void close();                           // there are no more: it ends when it is through with those that it has
  std::vector<JobEnd> ended() const;      // since this was last asked
  std::string said() const;               // by no job, so far
  std::optional<WorkerEnd> poll() const;  // how the process ended, once
  void signal(int number) const;

 private:
  WorkerProcess() = default;
  pid_t pid_ = 0;
  FileDescriptor socket_, said_;
  bool is_closed_ = false;
};

}  // namespace precipice
