// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/job_threads.h"

#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "experiments/console/thread_output.h"
#include "metrics/files/directory.h"
#include "metrics/files/run_files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

class JobThreads {
 public:
  JobThreads(const std::vector<Job>& jobs, const std::function<int(const Job&)>& work, int socket)
      : jobs_(jobs), work_(work), socket_(socket) {}

  void serve() {
    JobMessage message;
    while (receive(message)) begin(message);
    {
      const std::lock_guard lock(mutex_);
      no_more_ = true;
    }
    told_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  bool receive(JobMessage& message) const {
    ssize_t size = 0;
    do size = recv(socket_, &message, sizeof message, 0);
    while (size < 0 && errno == EINTR);
    return size == static_cast<ssize_t>(sizeof message);  // the launcher has no more, or is gone
  }

  // Whole or not at all, from any thread; where the launcher is gone nobody wants to know.
  void say(std::int64_t place, std::int64_t word) const {
    const JobMessage message{place, word};
    while (send(socket_, &message, sizeof message, MSG_NOSIGNAL) < 0 && errno == EINTR) continue;
  }

  void begin(const JobMessage& message) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(message);
    if (idle_ >= waiting_.size()) return told_.notify_one();
    try {
      threads_.emplace_back([this] { live(); });
    } catch (const std::system_error& error) {
      waiting_.pop_back();
      say(message.place, -error.code().value());
    }
  }

  void live() {
    for (;;) {
      std::unique_lock lock(mutex_);
      ++idle_;
      told_.wait(lock, [this] { return !waiting_.empty() || no_more_; });
      --idle_;
      if (waiting_.empty()) return;
      const JobMessage message = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      say(message.place, do_job(message));
    }
  }

  int do_job(const JobMessage& message) const {
    Job job = jobs_.at(static_cast<std::size_t>(message.place));
    job.claim = message.word;
    job.is_alone = false;
    try {
      const FileDescriptor log = Directory(job.directory).open_log(kLogFileName);
      const ThreadOutput into_log(log.get());
      return work_(job);
    } catch (const OutputError&) {  // the launcher had opened it a moment ago
      return kJobNotBegun;
    }
  }

  const std::vector<Job>& jobs_;
  const std::function<int(const Job&)>& work_;
  const int socket_;
  std::mutex mutex_;
  std::condition_variable told_;
  std::deque<JobMessage> waiting_;
  std::size_t idle_ = 0;  // threads that wait, or are about to take what was waited for
  bool no_more_ = false;
  std::vector<std::thread> threads_;  // of the one that serves
};

}  // namespace

void do_jobs(const std::vector<Job>& jobs, const std::function<int(const Job&)>& work, int socket) {
  JobThreads(jobs, work, socket).serve();
}

}  // namespace precipice
