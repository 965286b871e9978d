// SPDX-License-Identifier: Apache-2.0
// The scheduler with processes of several jobs, which are functions here: ends one by one, crashes, hangs and stops.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "experiments/sweep/scheduler.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

std::atomic<bool> told_to_stop{false};

void note_stop(int) {
  told_to_stop = true;
}

// Ten seconds at most.
bool wait_for(const std::function<bool()>& is_so) {
  for (int i = 0; i < 2000 && !is_so(); ++i) usleep(5000);
  return is_so();
}

struct SharedOutcome {
  std::map<std::string, WorkerEnd> ends;
  int restarts = 0;
  std::size_t most_running = 0;
  std::map<std::string, std::string> process;  // of each job, by the file that it leaves
  std::vector<std::string> order;              // in which the jobs ended
};

SharedOutcome run_functions(const fs::path& root,
                            const std::map<std::string, std::function<int(const Job&)>>& functions,
                            SchedulerOptions options) {
  std::vector<Job> jobs;
  for (const auto& [id, function] : functions) {
    fs::create_directory(root / id);
    jobs.push_back({id, root / id});
  }
  SharedOutcome outcome;
  options.poll = milliseconds(5);
  options.work = [&](const Job& job) {
    write_text(job.directory / "process", std::to_string(getpid()));
    return functions.at(job.id)(job);
  };
  options.finished = [&](const Job& job, const WorkerEnd& end) {
    outcome.ends[job.id] = end;
    outcome.order.push_back(job.id);
  };
  options.restarted = [&](const Job&, const WorkerEnd&) { ++outcome.restarts; };
  options.tick = [&](const std::vector<Job>& running) {
    outcome.most_running = std::max(outcome.most_running, running.size());
  };
  run_jobs(jobs, options);
  for (const Job& job : jobs) outcome.process[job.id] = text_of(job.directory / "process");
  return outcome;
}

}  // namespace

TEST_CASE("jobs of one process end one by one, and the next take their places", "[scheduler]") {
  TemporaryDirectory dir;
  SchedulerOptions options;
  options.workers = options.jobs_per_process = 2;
  const auto ends_with = [](int code) { return [code](const Job&) { return code; }; };
  // The first is there until the last has ended.
  const SharedOutcome outcome = run_functions(
      dir.path(),
      {{"a",
        [&](const Job& job) { return wait_for([&] { return fs::exists(job.directory / "../e/process"); }) ? 0 : 1; }},
       {"b", ends_with(3)},
       {"c", ends_with(0)},
       {"d", ends_with(7)},
       {"e", ends_with(0)}},
      options);
  CHECK(outcome.ends.size() == 5);
  CHECK(outcome.order.front() == "b");
  CHECK(outcome.most_running == 2);
  CHECK(outcome.ends.at("a").code == 0);
  CHECK(outcome.ends.at("b").failed());
  CHECK(outcome.ends.at("d").interrupted());
  for (const auto& [id, process] : outcome.process) {
    CHECK(process == outcome.process.at("a"));
    CHECK(outcome.ends.at(id).pid == std::stoi(process));
  }
}

TEST_CASE("jobs fill a process before the next is made, and each knows its claim and whether it is alone",
          "[scheduler]") {
  TemporaryDirectory dir;
  SchedulerOptions options;
  options.workers = 3;
  options.jobs_per_process = 2;
  options.claim_of = [](const Job& job) { return job.id[0] - 'a'; };
  const auto job = [](const Job& own) {
    wait_for([&] { return fs::exists(own.directory / "../c/process"); });
    return own.claim == own.id[0] - 'a' && !own.is_alone ? 0 : 1;
  };
  const SharedOutcome outcome = run_functions(dir.path(), {{"a", job}, {"b", job}, {"c", job}}, options);
  for (const auto& [id, end] : outcome.ends) CHECK(end.code == 0);
  CHECK(outcome.process.at("a") == outcome.process.at("b"));
  CHECK(outcome.process.at("a") != outcome.process.at("c"));
}

TEST_CASE("a killed process's jobs are started once more, each alone, so that who killed it fails alone",
          "[scheduler]") {
  TemporaryDirectory dir;
  SchedulerOptions options;
  options.workers = options.jobs_per_process = 3;
  const auto bystander = [](const Job& job) { return job.is_alone || wait_for([] { return false; }) ? 0 : 1; };
  const SharedOutcome outcome =
      run_functions(dir.path(),
                    {{"a", bystander},
                     {"b",
                      [](const Job& job) {
                        wait_for([&] { return job.is_alone || fs::exists(job.directory / "../c/process"); });
                        const std::string last_words = "terminate called\n";
                        if (write(STDERR_FILENO, last_words.data(), last_words.size()) > 0) kill(getpid(), SIGKILL);
                        return 0;
                      }},
                     {"c", bystander}},
                    options);
  CHECK(outcome.restarts == 3);
  CHECK(describe(outcome.ends.at("b")) == "killed by signal 9 (Killed)");
  CHECK(text_of(dir.path() / "b" / "log.txt") == "terminate called\nterminate called\n");
  CHECK(text_of(dir.path() / "a" / "log.txt") == "terminate called\n");  // why it was started anew
  CHECK_FALSE(outcome.ends.at("a").failed());
  CHECK_FALSE(outcome.ends.at("c").failed());
  CHECK(outcome.process.at("a") != outcome.process.at("c"));
}

TEST_CASE("fail-fast stops the other jobs of the process and starts no further one", "[scheduler]") {
  TemporaryDirectory dir;
  const auto before = std::signal(SIGTERM, note_stop);  // of the worker, which inherits it
  SchedulerOptions options;
  options.workers = options.jobs_per_process = 2;
  options.fail_fast = true;
  const auto until_told = [](const Job&) { return wait_for([] { return told_to_stop.load(); }) ? 143 : 1; };
  const SharedOutcome outcome =
      run_functions(dir.path(), {{"a", until_told}, {"b", [](const Job&) { return 2; }}, {"c", until_told}}, options);
  std::signal(SIGTERM, before);
  CHECK(outcome.ends.size() == 2);
  CHECK(outcome.ends.at("a").interrupted());
  CHECK(outcome.ends.at("b").failed());
}

TEST_CASE("a process whose jobs hang is killed after the grace period, and none is started again", "[scheduler]") {
  TemporaryDirectory dir;
  SchedulerOptions options;
  options.workers = options.jobs_per_process = 2;
  options.grace = milliseconds(100);
  std::atomic<bool> stop{false};
  options.stop = &stop;
  options.claim_of = [&](const Job& job) {
    stop = job.id == "b";  // while both are there
    return 0;
  };
  const auto before = std::signal(SIGTERM, SIG_IGN);  // in the worker, which inherits it
  const auto hangs = [](const Job&) { return wait_for([] { return false; }) ? 0 : 1; };
  const SharedOutcome outcome = run_functions(dir.path(), {{"a", hangs}, {"b", hangs}}, options);
  std::signal(SIGTERM, before);
  CHECK(outcome.restarts == 0);
  CHECK(outcome.ends.size() == 2);
  for (const auto& [id, end] : outcome.ends) CHECK((end.killed && end.interrupted()));
}

TEST_CASE("a process that ends with jobs unfinished has failed them", "[scheduler]") {
  TemporaryDirectory dir;
  SchedulerOptions options;
  options.workers = options.jobs_per_process = 2;
  const auto leaves = [](const Job&) -> int { _exit(0); };
  const SharedOutcome outcome = run_functions(dir.path(), {{"a", leaves}}, options);
  CHECK(outcome.ends.at("a").failed());
}
