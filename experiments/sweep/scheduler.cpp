// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <functional>
#include <iterator>
#include <list>
#include <optional>
#include <ranges>
#include <thread>
#include <utility>

#include "experiments/sweep/worker_process.h"
#include "metrics/files/directory.h"
#include "metrics/files/files.h"
#include "metrics/files/run_files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kOutputFailed = 5;  // as a worker would exit
constexpr int kEndedEarly = 1;

// To the log of a job that its process's end cut short.
void append_to_log(const Job& job, const std::string& text) {
  try {
    write_all(Directory(job.directory).open_log(kLogFileName).get(), text);
  } catch (const std::exception&) {  // it is gone, or the disk is full
  }
}

class Scheduler {
 public:
  Scheduler(const std::vector<Job>& jobs, const SchedulerOptions& options) : jobs_(jobs), options_(options) {
    for (std::size_t place = 0; place < jobs.size(); ++place) waiting_.push_back({jobs[place], place});
  }

  void run() {
    for (;;) {
      if (options_.stop && *options_.stop) begin_stop();
      start_next();
      if (stopping_ || waiting_.empty())
        for (WorkerProcess& process : processes_) process.close();
      if (processes_.empty() && (stopping_ || waiting_.empty())) return;
      if (options_.tick) options_.tick(running_jobs());
      std::this_thread::sleep_for(options_.poll);
      collect_ended();
      if (stopping_ && Clock::now() > *stopping_ + options_.grace) signal_all(SIGKILL);
    }
  }

 private:
  struct Worker {
    Job job;
    std::size_t place;  // among the jobs
    WorkerProcess* process = nullptr;
    int restarts = 0;
    Clock::time_point not_before{};
  };

  // Asks each waiting job at most once.
  void start_next() {
    for (std::size_t asked = waiting_.size(); asked > 0; --asked) {
      const auto now = Clock::now();
      if (stopping_ || running_.size() >= options_.workers || now < fork_again_) return;
      Worker worker = std::move(waiting_.front());
      waiting_.pop_front();
      const JobTurn turn = now < worker.not_before ? JobTurn::Wait
                           : options_.turn         ? options_.turn(worker.job)
                                                   : JobTurn::Start;
      if (turn == JobTurn::Skip) {
        if (options_.skipped) options_.skipped(worker.job);
      } else if (turn == JobTurn::Wait) {
        if (now >= worker.not_before) worker.not_before = now + options_.pause;
        waiting_.push_back(std::move(worker));
      } else {
        start(std::move(worker));
      }
    }
  }

  void start(Worker worker) {
    FileDescriptor log;
    try {
      log = Directory(worker.job.directory).open_log(kLogFileName);
    } catch (const OutputError& error) {
      WorkerEnd end{false, kOutputFailed};
      end.problem = error.what();
      return handle_end(std::move(worker), end);
    }
    worker.job.is_alone = options_.jobs_per_process == 1 || worker.restarts > 0;
    if (options_.claim_of) worker.job.claim = options_.claim_of(worker.job);
    worker.process = worker.job.is_alone
                         ? add_process(WorkerProcess::of_one_job(worker.job, log.get(), options_, leave()))
                         : process_with_room();
    if (worker.process != nullptr) {
      if (!worker.job.is_alone) worker.process->give(worker.place, worker.job.claim);
      refused_since_.reset();
      running_.push_back(std::move(worker));
      return;
    }
    const std::string why = std::strerror(errno);
    waiting_.push_front(std::move(worker));
    const auto now = Clock::now();
    fork_again_ = now + options_.pause;
    if (!said_refused_ && options_.refused) options_.refused(running_.size(), why);
    said_refused_ = true;
    if (!running_.empty()) return;
    if (!refused_since_) refused_since_ = now;
    if (now > *refused_since_ + options_.patience) throw OutputError("cannot start a process: " + why);
  }

  // In a new process: the descriptors of others are the launcher's.
  std::function<void()> leave() {
    return [this] { processes_.clear(); };
  }

  WorkerProcess* add_process(std::optional<WorkerProcess> process) {
    return process ? &processes_.emplace_back(std::move(*process)) : nullptr;
  }

  // The first that has room, so that there are as few as serve; null, with errno set, where there is none to be had.
  WorkerProcess* process_with_room() {
    for (WorkerProcess& process : processes_) {
      const auto jobs = std::ranges::count(running_, &process, &Worker::process);
      if (process.takes_jobs() && static_cast<std::size_t>(jobs) < options_.jobs_per_process) return &process;
    }
    return add_process(WorkerProcess::of_several_jobs(jobs_, options_, leave()));
  }

  void collect_ended() {
    for (auto process = processes_.begin(); process != processes_.end();) {
      const std::optional<WorkerEnd> end = process->poll();  // first: after it there is no further message
      for (const JobEnd& job : process->ended()) end_job(*process, job);
      if (end) end_process(*process, *end);
      process = end ? processes_.erase(process) : std::next(process);
    }
  }

  bool is_told_to_stop() const { return stopping_ || (options_.stop && *options_.stop); }

  void end_job(const WorkerProcess& process, const JobEnd& job) {
    const auto at = std::ranges::find(running_, job.place, &Worker::place);
    PRECIPICE_CHECK(at != running_.end(), "job ", job.place, " ended that did not run");
    Worker worker = std::move(*at);
    running_.erase(at);
    handle_end(std::move(worker), {false, job.code, process.pid(), is_told_to_stop(), job.problem});
  }

  // Its unfinished jobs end with it.
  void end_process(const WorkerProcess& process, WorkerEnd end) {
    end.stopped = is_told_to_stop();
    std::vector<Worker> unfinished;
    for (const Worker& worker : running_)
      if (worker.process == &process) unfinished.push_back(worker);
    std::erase_if(running_, [&](const Worker& worker) { return worker.process == &process; });
    const std::string said = process.said();
    // The last first: the next to be started is the first again.
    for (Worker& worker : std::views::reverse(unfinished)) {
      if (!worker.job.is_alone && !end.killed && end.code == 0) end.code = kEndedEarly;
      if (!said.empty()) append_to_log(worker.job, said);
      handle_end(std::move(worker), end);
    }
  }

  void handle_end(Worker worker, const WorkerEnd& end) {
    if (end.killed && worker.restarts == 0 && !end.stopped) {
      ++worker.restarts;
      if (options_.restarted) options_.restarted(worker.job, end);
      waiting_.push_front(std::move(worker));
      return;
    }
    fork_again_ = {};  // there is a process to give again
    if (!end.stopped && options_.was_taken && options_.was_taken(worker.job, end)) {
      worker.not_before = Clock::now() + options_.pause;
      waiting_.push_back(std::move(worker));
      return;
    }
    if (options_.finished) options_.finished(worker.job, end);
    if (options_.fail_fast && end.failed()) begin_stop();
  }

  void begin_stop() {
    if (stopping_) return;
    stopping_ = Clock::now();
    signal_all(SIGTERM);
  }

  void signal_all(int signal) {
    for (const WorkerProcess& process : processes_) process.signal(signal);
  }

  std::vector<Job> running_jobs() const {
    std::vector<Job> jobs;
    for (const Worker& worker : running_) jobs.push_back(worker.job);
    return jobs;
  }

  const std::vector<Job>& jobs_;
  const SchedulerOptions& options_;
  std::list<WorkerProcess> processes_;
  std::deque<Worker> waiting_;
  std::vector<Worker> running_;
  std::optional<Clock::time_point> stopping_, refused_since_;
  Clock::time_point fork_again_{};  // no process is asked for before
  bool said_refused_ = false;
};

}  // namespace

std::string describe(const WorkerEnd& end) {
  if (!end.problem.empty()) return end.problem;
  return end.killed ? fmt::format("killed by signal {} ({})", end.code, strsignal(end.code))
                    : fmt::format("exit code {}", end.code);
}

void run_jobs(const std::vector<Job>& jobs, const SchedulerOptions& options) {
  Scheduler(jobs, options).run();
}

}  // namespace precipice
