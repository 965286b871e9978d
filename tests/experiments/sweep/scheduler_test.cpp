// SPDX-License-Identifier: Apache-2.0
// The scheduler with shell scripts as workers: crashes, errors, hangs, restarts and stops.
#include "experiments/sweep/scheduler.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <map>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/shell_worker.h"

using namespace precipice;
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

// Ends by itself after some ten seconds, in case a test fails to end it.
const std::string kHang = "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); sleep 0.01; done";

// Runs each script as one job; "$1" is the job's directory.
struct Outcome {
  std::map<std::string, WorkerEnd> ends;
  int restarts = 0;
  std::size_t most_running = 0;
};

Outcome run_scripts(const fs::path& root, const std::map<std::string, std::string>& scripts,
                    SchedulerOptions options = {}) {
  std::vector<Job> jobs;
  for (const auto& [id, script] : scripts) {
    fs::create_directory(root / id);
    jobs.push_back({id, root / id});
  }
  Outcome outcome;
  options.poll = milliseconds(5);
  options.work = [&](const Job& job) { return become_script(scripts.at(job.id), {job.directory.string()}); };
  options.finished = [&](const Job& job, const WorkerEnd& end) { outcome.ends[job.id] = end; };
  options.restarted = [&](const Job&, const WorkerEnd&) { ++outcome.restarts; };
  const auto tick = options.tick;
  options.tick = [&](const std::vector<Job>& running) {
    outcome.most_running = std::max(outcome.most_running, running.size());
    if (tick) tick(running);
  };
  run_jobs(jobs, options);
  return outcome;
}

}  // namespace

TEST_CASE("a failing worker costs its own job only and keeps its exit code", "[scheduler]") {
  TemporaryDirectory dir;
  const Outcome outcome =
      run_scripts(dir.path(), {{"a", "exit 0"}, {"b", "echo out; echo err >&2; exit 3"}, {"c", "exit 0"}});
  CHECK_FALSE(outcome.ends.at("a").failed());
  CHECK(outcome.ends.at("b").failed());
  CHECK(describe(outcome.ends.at("b")) == "exit code 3");
  CHECK_FALSE(outcome.ends.at("c").failed());
  CHECK(outcome.restarts == 0);
  CHECK(text_of(dir.path() / "b" / "log.txt") == "out\nerr\n");
}

TEST_CASE("a worker killed by a signal is started once more, and its log goes on", "[scheduler]") {
  TemporaryDirectory dir;
  const Outcome outcome = run_scripts(
      dir.path(),
      {{"once", "echo try; test -e $1/mark && exit 0; touch $1/mark; kill -SEGV $$"}, {"twice", "kill -9 $$"}});
  CHECK(outcome.restarts == 2);
  CHECK_FALSE(outcome.ends.at("once").failed());
  CHECK(text_of(dir.path() / "once" / "log.txt") == "try\ntry\n");
  CHECK(outcome.ends.at("twice").failed());
  CHECK(contains(describe(outcome.ends.at("twice")), "killed by signal 9"));
}

TEST_CASE("no more than the given number of workers run at once", "[scheduler]") {
  TemporaryDirectory dir;
  std::map<std::string, std::string> scripts;
  for (const char* id : {"a", "b", "c", "d", "e", "f"}) scripts[id] = "sleep 0.05";
  SchedulerOptions options;
  options.workers = 2;
  const Outcome outcome = run_scripts(dir.path(), scripts, options);
  CHECK(outcome.ends.size() == 6);
  CHECK(outcome.most_running == 2);
}

TEST_CASE("fail-fast starts no further job and lets running ones stop cleanly", "[scheduler]") {
  TemporaryDirectory dir;
  SchedulerOptions options;
  options.workers = 2;
  options.fail_fast = true;
  const Outcome outcome = run_scripts(dir.path(),
                                      {{"a", "trap 'echo checkpoint; exit 143' TERM; touch $1/ready; " + kHang},
                                       {"b", "while ! test -e $1/../a/ready; do sleep 0.01; done; exit 2"},
                                       {"c", "exit 0"}},
                                      options);
  CHECK(outcome.ends.size() == 2);
  CHECK(outcome.ends.at("a").interrupted());
  CHECK(outcome.ends.at("b").failed());
  CHECK(text_of(dir.path() / "a" / "log.txt") == "checkpoint\n");
}

TEST_CASE("stop terminates workers, and kills one that hangs after the grace period", "[scheduler]") {
  TemporaryDirectory dir;
  std::atomic<bool> stop{false};
  SchedulerOptions options;
  options.workers = 2;
  options.stop = &stop;
  options.grace = milliseconds(200);
  options.tick = [&](const std::vector<Job>&) {
    if (fs::exists(dir.path() / "good" / "ready") && fs::exists(dir.path() / "hangs" / "ready")) stop = true;
  };
  const Outcome outcome = run_scripts(dir.path(),
                                      {{"good", "trap 'exit 143' TERM; touch $1/ready; " + kHang},
                                       {"hangs", "trap '' TERM; touch $1/ready; " + kHang},
                                       {"later", "exit 0"}},
                                      options);
  CHECK(outcome.ends.size() == 2);
  CHECK(outcome.ends.at("good").interrupted());
  CHECK(outcome.ends.at("hangs").killed);
  CHECK(outcome.ends.at("hangs").code == SIGKILL);
  CHECK_FALSE(outcome.ends.at("hangs").failed());
  CHECK(outcome.restarts == 0);
}

TEST_CASE("workers get SIGTERM when their launcher dies", "[scheduler]") {
  TemporaryDirectory dir;
  const fs::path job = dir.path() / "a";
  const pid_t launcher = fork();
  if (launcher == 0) {
    run_scripts(dir.path(), {{"a", "trap 'touch $1/stopped; exit 143' TERM; touch $1/ready; " + kHang}});
    _exit(0);
  }
  for (int i = 0; i < 1000 && !fs::exists(job / "ready"); ++i) usleep(5000);
  REQUIRE(fs::exists(job / "ready"));
  kill(launcher, SIGKILL);
  for (int i = 0; i < 1000 && !fs::exists(job / "stopped"); ++i) usleep(5000);
  CHECK(fs::exists(job / "stopped"));
}

TEST_CASE("a job whose directory is gone or whose log is a link or a FIFO fails by itself", "[scheduler]") {
  TemporaryDirectory dir;
  write_text(dir / "elsewhere", "mine");
  fs::create_directories(dir / "linked");
  fs::create_symlink(dir / "elsewhere", dir.path() / "linked" / "log.txt");
  fs::create_directories(dir / "piped");
  REQUIRE(mkfifo((dir.path() / "piped" / "log.txt").c_str(), 0600) == 0);
  const Outcome outcome = run_scripts(
      dir.path(), {{"first", "rm -r $1/../gone"}, {"gone", "exit 0"}, {"linked", "echo x"}, {"piped", "echo x"}});
  CHECK_FALSE(outcome.ends.at("first").failed());
  CHECK_FALSE(fs::exists(dir / "gone"));
  for (const char* id : {"gone", "linked", "piped"}) {
    CAPTURE(id);
    CHECK(outcome.ends.at(id).failed());
    CHECK(outcome.ends.at(id).code == 5);
  }
  CHECK(contains(describe(outcome.ends.at("gone")), "cannot open the directory"));
  CHECK(contains(describe(outcome.ends.at("linked")), "log.txt: cannot write: it is a symbolic link"));
  CHECK(contains(describe(outcome.ends.at("piped")), "it is a FIFO"));
  CHECK(text_of(dir / "elsewhere") == "mine");
}

TEST_CASE("a job that another process is at waits, and one that it has finished is left out", "[scheduler]") {
  TemporaryDirectory dir;
  SchedulerOptions options;
  options.pause = milliseconds(20);
  int asked = 0;
  std::vector<std::string> skipped;
  options.turn = [&](const Job& job) {
    if (job.id == "done") return JobTurn::Skip;
    return job.id == "busy" && ++asked < 4 ? JobTurn::Wait : JobTurn::Start;
  };
  options.skipped = [&](const Job& job) { skipped.push_back(job.id); };
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome =
      run_scripts(dir.path(), {{"busy", "exit 0"}, {"done", "exit 1"}, {"free", "exit 0"}}, options);
  CHECK(outcome.ends.size() == 2);
  CHECK(asked == 4);
  CHECK(std::chrono::steady_clock::now() - start >= milliseconds(60));
  CHECK(skipped == std::vector<std::string>{"done"});
  CHECK_FALSE(fs::exists(dir.path() / "done/log.txt"));
}

TEST_CASE("a worker that came second waits for the first, and that is no failure", "[scheduler]") {
  TemporaryDirectory dir;
  SchedulerOptions options;
  options.pause = milliseconds(20);
  options.was_taken = [](const Job&, const WorkerEnd& end) { return end.code == 2; };
  const Outcome outcome =
      run_scripts(dir.path(), {{"a", "test -e $1/mark && exit 0; touch $1/mark; exit 2"}, {"b", "exit 3"}}, options);
  CHECK_FALSE(outcome.ends.at("a").failed());
  CHECK(outcome.ends.at("b").failed());
}

TEST_CASE("a stop ends the wait for others", "[scheduler]") {
  TemporaryDirectory dir;
  std::atomic<bool> stop{false};
  SchedulerOptions options;
  options.stop = &stop;
  options.turn = [](const Job&) { return JobTurn::Wait; };
  options.tick = [&](const std::vector<Job>&) { stop = true; };
  CHECK(run_scripts(dir.path(), {{"a", "exit 0"}}, options).ends.empty());
}

TEST_CASE("a system that refuses processes gets fewer jobs at once, and none is lost", "[scheduler]") {
  TemporaryDirectory dir;
  int alive = 0, refusals = 0, said = 0;
  SchedulerOptions options;
  options.workers = 4;
  options.pause = milliseconds(10);
  // Room for two processes; the first request of all is refused, too.
  options.fork = [&]() -> pid_t {
    if (refusals == 0 || alive == 2) {
      ++refusals;
      errno = EAGAIN;
      return -1;
    }
    ++alive;
    return fork();
  };
  options.refused = [&](std::size_t, const std::string& why) {
    ++said;
    CHECK(contains(why, "unavailable"));
  };
  options.was_taken = [&](const Job&, const WorkerEnd&) {
    --alive;
    return false;
  };
  std::map<std::string, std::string> scripts;
  for (int i = 0; i < 8; ++i) scripts["job" + std::to_string(i)] = "sleep 0.05";
  const Outcome outcome = run_scripts(dir.path(), scripts, options);
  CHECK(outcome.ends.size() == 8);
  CHECK(outcome.most_running == 2);
  CHECK(refusals > 1);
  CHECK(said == 1);
}

TEST_CASE("a system that never has a process is an OutputError after some patience", "[scheduler]") {
  TemporaryDirectory dir;
  SchedulerOptions options;
  options.pause = milliseconds(1);
  options.patience = std::chrono::seconds(0);
  options.fork = []() -> pid_t {
    errno = EAGAIN;
    return -1;
  };
  CHECK_THROWS_AS(run_scripts(dir.path(), {{"a", "exit 0"}}, options), OutputError);
}
