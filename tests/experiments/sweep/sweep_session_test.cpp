// SPDX-License-Identifier: Apache-2.0
// A sweep's session with shell scripts as workers: what is run, what is left alone, what is recorded about failures.
#include "experiments/sweep/sweep_session.h"

#include <thread>

#include "metrics/files/files.h"
#include "metrics/log/run_file.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/shell_worker.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

struct Session {
  explicit Session(const std::string& seeds)
      : runs(expand_sweep(make_sweep({}, read_assignments({"train.steps=20", "seed=" + seeds})))) {
    write_text(dir / kRunFileName, "results");
    for (const SweepRun& run : runs)
      for (const RunState state : {RunState::Done, RunState::Diverged, RunState::Untrained, RunState::Skipped,
                                   RunState::Failed, RunState::Interrupted}) {
        RunStatus status;
        status.run_id = run.id;
        status.state = state;
        status.step = status.steps = 20;
        status.run_file_sha256 = sha256_hex("results");
        write_status(dir.path(), status, run.id + to_string(state));
      }
  }

  fs::path run_dir(std::size_t i) const { return dir.path() / "sweep" / runs[i].id; }
  void put_state(std::size_t i, RunState state) const {
    RunDirectory(run_dir(i)).claim(runs[i].config);
    fs::copy_file(dir / (runs[i].id + to_string(state)), run_dir(i) / kStatusFileName);
    fs::copy_file(dir / kRunFileName, run_dir(i) / kRunFileName);
  }
  // In the script $dir is the run directory; `finish STATE` writes a status.
  SweepSummary run(const std::string& script, RunSelection selection = RunSelection::Unfinished,
                   bool fail_fast = false) {
    const std::string finish = "finish() { cp " + (dir / kRunFileName).string() + " $dir; cp " + dir.path().string() +
                               "/${dir##*/}$1 $dir/status.json; }; dir=$1; ";
    const auto train = [&](const SweepRun&, const Job& job) {
      return become_script(finish + script, {job.directory.string()});
    };
    ProgressPrinter printer([this](std::string_view text) { output += text; }, {terminal});
    return SweepSession(runs, {dir.path() / "sweep", train, 2, selection, fail_fast, nullptr}, printer).run();
  }

  TemporaryDirectory dir;
  std::vector<SweepRun> runs;
  std::string output;
  bool terminal = false;
};

using States = std::map<RunState, std::size_t>;

}  // namespace

TEST_CASE("every run gets its config and its own process, and the counts come from the status files",
          "[sweep_session]") {
  Session session("range(0,3)");
  const SweepSummary summary = session.run("grep -q 'seed = 1' $dir/config.toml && finish diverged || finish done");
  CHECK(summary.states == States{{RunState::Done, 2}, {RunState::Diverged, 1}});
  CHECK(summary.failed == 0);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(text_of(session.run_dir(i) / kConfigFileName) == to_toml(session.runs[i].config));
  CHECK(contains(session.output, "diverged"));
}

TEST_CASE("finished runs are left alone, the others go on", "[sweep_session]") {
  Session session("range(0,7)");
  session.put_state(0, RunState::Done);
  session.put_state(1, RunState::Diverged);
  session.put_state(2, RunState::Failed);
  session.put_state(3, RunState::Interrupted);
  session.put_state(5, RunState::Untrained);
  session.put_state(6, RunState::Skipped);
  const SweepSummary summary = session.run("touch $dir/ran; finish done");
  for (std::size_t i = 0; i < 7; ++i) CHECK(fs::exists(session.run_dir(i) / "ran") == (i >= 2 && i < 5));
  CHECK(summary.states ==
        States{{RunState::Done, 4}, {RunState::Diverged, 1}, {RunState::Untrained, 1}, {RunState::Skipped, 1}});
}

TEST_CASE("--only selects failed runs, or those that are neither failed nor finished", "[sweep_session]") {
  const auto [selection, first, second] = GENERATE(
      table<RunSelection, bool, bool>({{RunSelection::Failed, true, false}, {RunSelection::Missing, false, true}}));
  Session session("0,1");
  session.put_state(0, RunState::Failed);
  session.run("touch $dir/ran; finish done", selection);
  CHECK(fs::exists(session.run_dir(0) / "ran") == first);
  CHECK(fs::exists(session.run_dir(1) / "ran") == second);
}

TEST_CASE("a failure is recorded with its exit code and the last log line, and the others finish", "[sweep_session]") {
  Session session("range(0,3)");
  const SweepSummary summary = session.run(
      "grep -q 'seed = 1' $dir/config.toml && { echo one; echo 'precipice: error: two' >&2; exit 4; }; finish done");
  CHECK(summary.failed == 1);
  CHECK(summary.states == States{{RunState::Done, 2}, {RunState::Failed, 1}});
  const RunStatus status = observe_run(session.run_dir(1));
  CHECK(status.reason == "exit code 4: precipice: error: two");
  CHECK(status.exit_code == 4);
}

TEST_CASE("a crash is recorded with its signal after one more try", "[sweep_session]") {
  Session session("7");
  const SweepSummary summary = session.run("echo try; kill -SEGV $$");
  CHECK(summary.failed == 1);
  const RunStatus status = observe_run(session.run_dir(0));
  CHECK(status.state == RunState::Failed);
  CHECK(contains(status.reason, "killed by signal 11"));
  CHECK(status.exit_code == 128 + 11);
  CHECK(text_of(session.run_dir(0) / "log.txt") == "try\ntry\n");
}

TEST_CASE("a finished result is not overwritten by a failing worker", "[sweep_session]") {
  Session session("7");
  const SweepSummary summary = session.run("finish done; exit 5");
  CHECK(summary.failed == 1);
  CHECK(observe_run(session.run_dir(0)).state == RunState::Done);
}

TEST_CASE("a run whose status is another run's, or whose results are not those it names, is run", "[sweep_session]") {
  Session session("range(0,4)");
  for (std::size_t i = 0; i < 4; ++i) session.put_state(i, RunState::Done);
  fs::copy_file(session.run_dir(0) / kStatusFileName, session.run_dir(1) / kStatusFileName,
                fs::copy_options::overwrite_existing);
  write_text(session.run_dir(2) / kRunFileName, "other results");
  fs::remove(session.run_dir(3) / kRunFileName);
  CHECK(observe_run(session.run_dir(0), session.runs[0].id).state == RunState::Done);
  CHECK(contains(observe_run(session.run_dir(1), session.runs[1].id).reason,
                 "status.json is that of run " + session.runs[0].id + ", not of " + session.runs[1].id));
  CHECK(contains(observe_run(session.run_dir(2), session.runs[2].id).reason, "run.h5 is not the file"));
  CHECK(contains(observe_run(session.run_dir(3), session.runs[3].id).reason, "run.h5 is missing"));
  const SweepSummary summary = session.run("touch $dir/ran; finish done");
  for (std::size_t i = 0; i < 4; ++i) CHECK(fs::exists(session.run_dir(i) / "ran") == (i >= 1));
  CHECK(summary.states == States{{RunState::Done, 4}});
}

TEST_CASE("a failure is not written into a directory that another run has taken, nor is one made for it",
          "[sweep_session]") {
  Session session("7,8");
  const WorkerEnd failure{false, 4};
  record_failure(session.run_dir(0), session.runs[0].id, failure);
  CHECK_FALSE(fs::exists(session.run_dir(0)));

  RunDirectory(session.run_dir(0)).claim(session.runs[1].config);
  record_failure(session.run_dir(0), session.runs[0].id, failure);
  CHECK_FALSE(fs::exists(session.run_dir(0) / kStatusFileName));
  const Directory held(session.run_dir(0));
  REQUIRE(held.try_lock());  // as the process that runs it
  record_failure(session.run_dir(0), session.runs[1].id, failure);
  CHECK_FALSE(fs::exists(session.run_dir(0) / kStatusFileName));
}

TEST_CASE("fail-fast leaves the rest for later", "[sweep_session]") {
  Session session("range(0,6)");
  const SweepSummary summary = session.run("exit 2", RunSelection::Unfinished, true);
  CHECK(summary.failed >= 1);
  CHECK(summary.states.at(RunState::Pending) >= 4);
}

TEST_CASE("a comment in a run's config changes nothing", "[sweep_session]") {
  Session session("0,1");
  const std::string commented = "# the first seed\n" + to_toml(session.runs[0].config);
  fs::create_directories(session.run_dir(0));
  write_text(session.run_dir(0) / kConfigFileName, commented);
  CHECK(session.run("finish done").states == States{{RunState::Done, 2}});
  CHECK(text_of(session.run_dir(0) / kConfigFileName) == commented);
}

TEST_CASE("a changed config in a run's directory is refused before anything starts", "[sweep_session]") {
  Session session("0,1");
  fs::create_directories(session.run_dir(1));
  write_text(session.run_dir(1) / kConfigFileName, "seed = 99\n");
  std::string message;
  try {
    session.run("touch $dir/ran; finish done");
  } catch (const ConfigError& error) {
    message = error.what();
  }
  CHECK(contains(message, "seed is 99 there and 1 here"));
  CHECK_FALSE(fs::exists(session.run_dir(0) / "ran"));
  CHECK(text_of(session.run_dir(1) / kConfigFileName) == "seed = 99\n");
}

TEST_CASE("a run that another process trains is waited for and counts as what it became", "[sweep_session]") {
  Session session("0,1");
  // This test is the other process: it is at the first run for a third of a second.
  RunStatus status;
  stamp(status);
  status.state = RunState::Running;
  status.run_id = session.runs[0].id;
  fs::create_directories(session.run_dir(0));
  write_status(session.run_dir(0), status);
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    status.state = RunState::Done;
    status.step = status.steps = 20;
    status.run_file_sha256 = sha256_hex("results");
    fs::copy_file(session.dir / kRunFileName, session.run_dir(0) / kRunFileName);
    write_status(session.run_dir(0), status);
  });
  const SweepSummary summary = session.run("touch $dir/ran; finish done");
  other.join();
  CHECK(summary.states == States{{RunState::Done, 2}});
  CHECK(summary.failed == 0);
  CHECK_FALSE(fs::exists(session.run_dir(0) / "ran"));
  CHECK(contains(session.output, "is training it: waiting"));
  CHECK(contains(session.output, "(by another process)"));
}

TEST_CASE("a worker that finds its run taken is no failure of the sweep", "[sweep_session]") {
  Session session("7");
  const SweepSummary summary = session.run(
      "test -e $dir/mark && { finish done; exit 0; }; touch $dir/mark; "
      "echo 'precipice: error: another process is running this run' >&2; echo 'from that process'; exit 2");
  CHECK(summary.states == States{{RunState::Done, 1}});
  CHECK(summary.failed == 0);
}

TEST_CASE("a run that was once taken may still fail on its own", "[sweep_session]") {
  Session session("7");
  fs::create_directories(session.run_dir(0));
  write_text(session.run_dir(0) / "log.txt", "precipice: error: another process is running this run\n");
  CHECK(session.run("echo 'precipice: error: bad' >&2; exit 2").failed == 1);
}

TEST_CASE("a terminal gets a line for each run that ended", "[sweep_session]") {
  Session session("0,1");
  session.terminal = true;
  session.run("finish done");
  CHECK(contains(session.output, session.runs[0].id + "  0  done"));
  CHECK(contains(session.output, session.runs[1].id + "  1  done"));
}
