// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/scheduler.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <optional>
#include <thread>

#include "metrics/files/directory.h"
#include "metrics/files/run_files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kOutputFailed = 5;  // as a worker would exit

void enter_worker(int input, int log, pid_t launcher) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != launcher) _exit(143);  // it died before the line above took effect
  dup2(input, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
}

// Less than 0 with errno set where the system has no process to give at present.
pid_t start_worker(int log, const Job& job, const SchedulerOptions& options) {
  const FileDescriptor input("/dev/null", O_RDONLY);
  if (!input.valid()) throw OutputError(fmt::format("/dev/null: {}", std::strerror(errno)));
  const pid_t launcher = getpid();
  std::fflush(nullptr);  // or a copy of what waits there would be written by the worker too
  const pid_t pid = options.fork ? options.fork() : fork();
  if (pid == 0) {
    enter_worker(input.get(), log, launcher);
    const int code = options.work(job);
    std::fflush(nullptr);
    _exit(code);
  }
  return pid;
}

std::optional<WorkerEnd> poll_worker(pid_t pid) {
  int status = 0;
  pid_t result = 0;
  do result = waitpid(pid, &status, WNOHANG);
  while (result < 0 && errno == EINTR);
  PRECIPICE_CHECK(result >= 0, "waitpid: ", std::strerror(errno));
  if (result == 0) return std::nullopt;
  if (WIFSIGNALED(status)) return WorkerEnd{true, WTERMSIG(status), pid};
  return WorkerEnd{false, WEXITSTATUS(status), pid};
}

class Scheduler {
 public:
  Scheduler(const std::vector<Job>& jobs, const SchedulerOptions& options) : options_(options) {
    for (const Job& job : jobs) waiting_.push_back({job});
  }

  void run() {
    for (;;) {
      if (options_.stop && *options_.stop) begin_stop();
      start_next();
      if (running_.empty() && (stopping_ || waiting_.empty())) return;
      if (options_.tick) options_.tick(running_jobs());
      std::this_thread::sleep_for(options_.poll);
      collect_ended();
      if (stopping_ && Clock::now() > *stopping_ + options_.grace) signal_all(SIGKILL);
    }
  }

 private:
  struct Worker {
    Job job;
    pid_t pid = 0;
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
    worker.pid = start_worker(log.get(), worker.job, options_);
    if (worker.pid >= 0) {
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

  void collect_ended() {
    for (std::size_t i = 0; i < running_.size();) {
      std::optional<WorkerEnd> end = poll_worker(running_[i].pid);
      if (!end) {
        ++i;
        continue;
      }
      end->stopped = stopping_ || (options_.stop && *options_.stop);
      Worker worker = running_[i];
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      handle_end(std::move(worker), *end);
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
    for (const Worker& worker : running_) kill(worker.pid, signal);
  }

  std::vector<Job> running_jobs() const {
    std::vector<Job> jobs;
    for (const Worker& worker : running_) jobs.push_back(worker.job);
    return jobs;
  }

  const SchedulerOptions& options_;
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
