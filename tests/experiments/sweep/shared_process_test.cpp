// SPDX-License-Identifier: Apache-2.0
// Runs that share a process, trained for real: the files of runs that have a process each, whatever happens to one of them
// or to the process.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <map>
#include <stdexcept>

#include "experiments/cli/cli.h"
#include "experiments/console/process_setup.h"
#include "experiments/shards/shared_runs.h"
#include "experiments/sweep/sweep_session.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "train/run/run.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kRuns = 16;  // 2 x 8
constexpr std::int64_t kSteps = 12, kMiddle = 5;

std::vector<SweepRun> sixteen_runs() {
  return expand_sweep(make_sweep(
      parse_settings("[model]\nlayers = 1\nwidth = 8\nheads = 1\ncontext = 8\n[data]\ntokens = 2000\nvocabulary = 16\n"
                     "[schedule]\nwarmup_steps = 2\n[train]\nsteps = 12\nbatch = 2\neval_every = 6\neval_batches = 1\n"
                     "checkpoint_every = 4\n[metrics]\ntensors_every = 0\n",
                     "tiny.toml"),
      read_assignments({"precision.recipe=fp8,mxfp8", "seed=0..7"})));
}

struct SharedProcess {
  // Called in the worker after each step of a run that has this place among the runs.
  using AfterStep = std::function<void(std::size_t run, std::int64_t step)>;

  SweepSummary train(std::size_t per_process, const AfterStep& after_step = {}, SharedRuns* shared = nullptr) {
    const auto worker = [&](const SweepRun& run, const Job& job) {
      const auto place = static_cast<std::size_t>(&run - runs.data());
      RunRequest request{run.config, job.directory, "a test", &stop_requested(), {}};
      request.is_alone = job.is_alone;
      if (shared) request.guard = shared->guard(run.id, job.claim);
      if (after_step) request.progress = [&](const RunProgress& progress) { after_step(place, progress.step); };
      return exit_code_of([&] { return execute_run(request).state == RunState::Interrupted ? stop_exit_code() : 0; });
    };
    install_stop_signals();
    ProgressPrinter printer([this](std::string_view text) { hear(text); }, {});
    SweepSession::Options options{dir.path(), worker, at_once, RunSelection::Unfinished, false, told};
    options.shared = shared;
    options.runs_per_process = per_process;
    return SweepSession(runs, options, printer).run();
  }

  void hear(std::string_view text) {
    output += text;
    if (contains(output, "another shard has taken it over")) is_over = true;
  }
  fs::path path(std::size_t run, const std::string& name) const { return dir.path() / runs[run].id / name; }
  RunStatus status(std::size_t run) const { return *read_status(path(run, kStatusFileName)); }
  // Once per directory: true for the first who asks.
  bool is_first(const std::string& what) const {
    const bool is_there = fs::exists(dir / what);
    write_text(dir / what, "");
    return !is_there;
  }

  // What no clock and no process has a part in.
  std::map<std::string, std::string> results() const {
    std::map<std::string, std::string> files;
    for (const SweepRun& run : runs)
      for (const auto& entry : fs::recursive_directory_iterator(dir.path() / run.id)) {
        const std::string name = entry.path().filename().string();
        if (entry.is_regular_file() && name != kStatusFileName && name != kLogFileName)
          files[fs::relative(entry.path(), dir.path()).string()] = text_of(entry.path());
      }
    return files;
  }

  TemporaryDirectory dir;
  std::vector<SweepRun> runs = sixteen_runs();
  std::string output;
  std::size_t at_once = kRuns;
  std::atomic<bool> is_over{false};
  const std::atomic<bool>* told = &stop_requested();
};

const std::map<std::string, std::string>& results_alone() {
  static const auto results = [] {
    SharedProcess alone;
    alone.at_once = 2;
    alone.train(1);
    return alone.results();
  }();
  return results;
}

// In a worker; ten seconds at most.
void wait_for_stop() {
  for (int i = 0; i < 2000 && !stop_requested(); ++i) usleep(5000);
}

void check_results(const SharedProcess& runs) {
  const std::map<std::string, std::string> own = runs.results();
  CHECK(own.size() == results_alone().size());
  for (const auto& [name, bytes] : results_alone()) {
    INFO(name);
    CHECK((own.contains(name) && own.at(name) == bytes));
  }
}

}  // namespace

TEST_CASE("sixteen runs in one process have the files of sixteen that have one each", "[shared_process]") {
  SharedProcess one;
  const SweepSummary summary = one.train(kRuns);
  INFO(one.output);
  REQUIRE(summary.failed == 0);
  check_results(one);
  CHECK(results_alone().size() >= 5 * kRuns);  // config, journal, run.h5 and checkpoints of each
  for (std::size_t run = 0; run < kRuns; ++run) {
    CHECK(one.status(run).pid == one.status(0).pid);
    const std::string log = text_of(one.path(run, kLogFileName));  // each speaks of itself alone
    CHECK(contains(log, "run " + one.runs[run].id));
    for (std::size_t other = 0; other < kRuns; ++other)
      if (other != run) CHECK_FALSE(contains(log, one.runs[other].id));
    CHECK(one.status(run).cpu_seconds < one.status(run).wall_seconds + 0.1);  // that of its own thread
  }
}

TEST_CASE("runs that throw end as failed with their reasons and leave the others", "[shared_process]") {
  constexpr std::size_t kThrows = 3, kCannotWrite = 5;
  SharedProcess one;
  const fs::path lost = one.dir.path() / one.runs[kCannotWrite].id;
  const SweepSummary summary = one.train(kRuns, [&](std::size_t run, std::int64_t step) {
    if (run == kThrows && step == kMiddle) throw std::runtime_error("planted");
    if (run == kCannotWrite && step == kMiddle) {
      fs::rename(lost, one.dir / "moved");
      fs::copy(one.dir / "moved", lost);  // whose status says that the run goes on
    }
    // The others wait until the launcher has seen that: their process is there as long.
    if (run != kThrows && run != kCannotWrite && step == kMiddle)
      for (int i = 0; i < 2000 && !contains(text_of(lost / kStatusFileName), "\"failed\""); ++i) usleep(5000);
  });
  INFO(one.output);
  CHECK(summary.failed == 2);
  CHECK(summary.states.at(RunState::Failed) == 2);
  CHECK(contains(one.status(kThrows).reason, "planted"));
  CHECK(contains(text_of(one.path(kThrows, kLogFileName)), "precipice: internal error: planted\n"));
  CHECK(one.status(kCannotWrite).state == RunState::Failed);
  CHECK(contains(text_of(one.dir / "moved" / kLogFileName), "was moved, and another one is in its place"));
  for (std::size_t run = 0; run < kRuns; ++run)
    if (run != kThrows && run != kCannotWrite) CHECK(is_finished(one.status(run).state));
  fs::remove_all(lost);
  fs::rename(one.dir / "moved", lost);
  one.train(kRuns);
  check_results(one);
}

TEST_CASE("when the process is killed all of its runs go on, each in a process of its own", "[shared_process]") {
  SharedProcess one;
  const SweepSummary summary = one.train(kRuns, [&](std::size_t run, std::int64_t step) {
    if (run == 9 && step == kMiddle && one.is_first("killed")) kill(getpid(), SIGKILL);
  });
  CHECK(summary.failed == 0);
  CHECK(contains(one.output, "killed by signal 9 (Killed); starting it once more"));
  check_results(one);
  CHECK(one.status(9).pid != one.status(10).pid);
}

TEST_CASE("told to stop, all runs of a process write checkpoints, and go on from there", "[shared_process]") {
  SharedProcess one;
  const pid_t launcher = fork();
  if (launcher == 0) {  // for what a signal leaves behind in it
    std::atomic<std::size_t> there{0};
    const SweepSummary summary = one.train(kRuns, [&](std::size_t, std::int64_t step) {
      if (step != kMiddle) return;
      if (++there == kRuns) kill(getppid(), SIGTERM);
      wait_for_stop();
    });
    _exit(summary.interrupted == kRuns ? 0 : 1);
  }
  int end = 0;
  REQUIRE(waitpid(launcher, &end, 0) == launcher);
  CHECK(WEXITSTATUS(end) == 0);
  for (std::size_t run = 0; run < kRuns; ++run) {
    CHECK(one.status(run).state == RunState::Interrupted);
    CHECK(one.status(run).step == kMiddle);
    const std::vector<std::int64_t> steps = RunDirectory(one.dir.path() / one.runs[run].id).checkpoint_steps();
    CHECK((!steps.empty() && steps.back() == kMiddle));
  }
  one.train(kRuns);
  // The checkpoints that a stop makes are others; what was computed is not.
  for (const auto& [name, bytes] : results_alone())
    if (name.ends_with("run.h5") || name.ends_with(kJournalFileName)) CHECK(text_of(one.dir.path() / name) == bytes);
}

TEST_CASE("a run that is claimed after its process was made notices when another shard takes it", "[shared_process]") {
  constexpr std::size_t kLater = 2;  // the first in a process was claimed before it
  SharedProcess one;
  one.told = &one.is_over;
  one.runs.resize(4);
  SharedRuns shared(one.dir.path(), std::nullopt, [](const std::string&) {});
  const std::string claim = one.runs[kLater].id + ".";
  one.train(
      4,
      [&](std::size_t run, std::int64_t step) {
        if (run != kLater || step != kMiddle || !one.is_first("taken")) return;
        const fs::path claims = one.dir / kShardsFolder;
        fs::copy(claims / (claim + "0.claim"),
                 claims / (claim + "1.claim"));  // as one does that thinks this one silent
        usleep(1'100'000);                       // it looks once a second
      },
      &shared);
  CHECK(contains(one.output, "another shard has taken it over"));
  CHECK(contains(text_of(one.path(kLater, kLogFileName)), "another process has taken the run over"));
  CHECK(one.status(kLater).step < kSteps);
}
