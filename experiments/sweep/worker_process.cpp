// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "experiments/sweep/job_threads.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::size_t kMostSaid = 65536;  // bytes of what a process says for no job

void enter_worker(int input, int output, pid_t launcher) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != launcher) _exit(143);  // it died before the line above took effect
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
}

// In the new process: does the work and ends with its answer. Less than 0 with errno set where there is none.
pid_t fork_worker(int output, const SchedulerOptions& options, const std::function<void()>& leave,
                  const std::function<int()>& work) {
  const FileDescriptor input("/dev/null", O_RDONLY);
  if (!input.valid()) throw OutputError(fmt::format("/dev/null: {}", std::strerror(errno)));
  const pid_t launcher = getpid();
  std::fflush(nullptr);  // or a copy of what waits there would be written by the worker too
  const pid_t pid = options.fork ? options.fork() : fork();
  if (pid != 0) return pid;
  enter_worker(input.get(), output, launcher);
  leave();
  const int code = work();
  std::fflush(nullptr);
  _exit(code);
}

}  // namespace

std::optional<WorkerProcess> WorkerProcess::of_one_job(const Job& job, int log, const SchedulerOptions& options,
                                                       const std::function<void()>& leave) {
  WorkerProcess process;
  process.pid_ = fork_worker(log, options, leave, [&] { return options.work(job); });
  if (process.pid_ < 0) return std::nullopt;
  return process;
}

std::optional<WorkerProcess> WorkerProcess::of_several_jobs(const std::vector<Job>& jobs,
                                                            const SchedulerOptions& options,
                                                            const std::function<void()>& leave) {
  WorkerProcess process;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return std::nullopt;
  process.socket_ = FileDescriptor(ends[0]);
  FileDescriptor other(ends[1]);
  process.said_ = FileDescriptor(memfd_create("precipice worker", MFD_CLOEXEC));
  if (!process.said_.valid()) return std::nullopt;
  process.pid_ = fork_worker(process.said_.get(), options, leave, [&] {
    process.socket_.close();
    do_jobs(jobs, options.work, other.get());
    return 0;
  });
  if (process.pid_ < 0) return std::nullopt;
  return process;
}

void WorkerProcess::give(std::size_t place, std::int64_t claim) const {
  const JobMessage message{static_cast<std::int64_t>(place), claim};
  while (send(socket_.get(), &message, sizeof message, MSG_NOSIGNAL) < 0 && errno == EINTR) continue;
}

void WorkerProcess::close() {
  if (takes_jobs()) shutdown(socket_.get(), SHUT_WR);
  is_closed_ = true;
}

std::vector<JobEnd> WorkerProcess::ended() const {
  std::vector<JobEnd> ends;
  if (!socket_.valid()) return ends;
  for (;;) {
    JobMessage message;
    const ssize_t size = recv(socket_.get(), &message, sizeof message, MSG_DONTWAIT);
    // Who is killed with messages unread resets the connection, which is said once, before what he had sent.
    if (size < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
    if (size != static_cast<ssize_t>(sizeof message)) return ends;
    const auto place = static_cast<std::size_t>(message.place);
    if (message.word >= 0) {
      ends.push_back({place, static_cast<int>(message.word)});
    } else {
      ends.push_back({place, kJobNotBegun,
                      std::string("cannot start a thread: ") + std::strerror(static_cast<int>(-message.word))});
    }
  }
}

std::string WorkerProcess::said() const {
  std::string text(kMostSaid, '\0');
  const ssize_t size = said_.valid() ? pread(said_.get(), text.data(), text.size(), 0) : 0;
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

std::optional<WorkerEnd> WorkerProcess::poll() const {
  int status = 0;
  pid_t result = 0;
  do result = waitpid(pid_, &status, WNOHANG);
  while (result < 0 && errno == EINTR);
  PRECIPICE_CHECK(result >= 0, "waitpid: ", std::strerror(errno));
  if (result == 0) return std::nullopt;
  if (WIFSIGNALED(status)) return WorkerEnd{true, WTERMSIG(status), pid_};
  return WorkerEnd{false, WEXITSTATUS(status), pid_};
}

void WorkerProcess::signal(int number) const {
  kill(pid_, number);
}

}  // namespace precipice
