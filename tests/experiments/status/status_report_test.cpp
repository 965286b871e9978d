// SPDX-License-Identifier: Apache-2.0
// `status` as text and JSON, tables, and what the launcher reads from run directories.
#include "experiments/status/status_report.h"

#include <sys/stat.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "experiments/console/table.h"
#include "experiments/status/status_watch.h"
#include "experiments/sweep/observed_run.h"
#include "experiments/sweep/sweep_record.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kNow = 1'000'000;

// Three runs: done, diverged with an infinite loss, not begun.
void make_sweep_directory(const fs::path& path) {
  const Sweep sweep = make_sweep({}, read_assignments({"seed=0,1,2", "optimizer.lr=1e-3,1e-2"}));
  SweepRecord record = make_record(sweep, expand_sweep(sweep), "precipice sweep");
  record.runs.resize(3);
  write_record(path, record);
  RunStatus status;
  status.steps = 400;
  status.heartbeat = kNow - 70;
  for (std::size_t i = 0; i < 2; ++i) {
    fs::create_directories(path / record.runs[i].id);
    status.state = i == 0 ? RunState::Done : RunState::Diverged;
    status.step = i == 0 ? 400 : 17;
    status.final_loss = i == 0 ? 1.25 : std::numeric_limits<double>::infinity();
    status.divergence_step = i == 0 ? -1 : 16;
    status.reason = i == 0 ? "" : "non-finite loss";
    status.run_id = record.runs[i].id;
    status.run_file_sha256.clear();
    publish_run_file(path / record.runs[i].id, "results", status);
  }
}

}  // namespace

TEST_CASE("a sweep's report counts states and shows axis values, steps, loss and age", "[status]") {
  TemporaryDirectory dir;
  make_sweep_directory(dir.path() / "s");
  const std::string text = to_text(make_report(dir.path() / "s"), kNow);
  CHECK(contains(text, "3 runs: 1 pending, 1 done, 1 diverged\n"));
  CHECK(contains(text, "seed  optimizer.lr  state     step     loss    age    reason\n"));
  CHECK(contains(text, "0     0.001         done      400/400  1.2500  1m10s\n"));
  CHECK(contains(text, "0     0.01          diverged  17/400   inf     1m10s  step 16: non-finite loss\n"));
  CHECK(contains(text, "1     0.001         pending   -        -       -\n"));
}

TEST_CASE("a run is described without a loss before its first step, and without steps if it never began", "[status]") {
  RunStatus status;
  status.state = RunState::Failed;
  status.reason = "exit code 4";
  CHECK(describe(status) == "failed (exit code 4)");
  CHECK(loss_text(status) == "-");
  status = {};
  status.state = RunState::Done;
  status.heartbeat = kNow;
  CHECK(describe(status) == "done  step 0/0");
  status.state = RunState::Diverged;
  status.step = 3;
  status.steps = 8;
  status.divergence_step = 2;
  status.reason = "non-finite loss";
  for (const double sign : {1.0, -1.0}) {
    status.final_loss = std::copysign(std::numeric_limits<double>::quiet_NaN(), sign);
    CHECK(describe(status) == "diverged at step 2 (non-finite loss)  step 3/8  loss nan");
  }
  status.final_loss = 2.34567;
  CHECK(loss_text(status) == "2.3457");
}

TEST_CASE("steps that the loss scale left out are said, and a run of which they are half is named after them",
          "[status]") {
  RunStatus status;
  status.heartbeat = kNow;
  status.step = status.steps = 60;
  status.final_loss = 4.16;
  status.state = RunState::Skipped;
  status.skipped_steps = 60;
  status.reason = "skipped 60 of 60 steps";
  CHECK(describe(status) == "skipped 60 of 60 steps  step 60/60  loss 4.1600");
  TemporaryDirectory dir;
  write_status(dir.path(), status);
  CHECK(contains(to_text(make_report(dir.path()), kNow), "skipped  60/60  4.1600  0s   skipped 60 of 60 steps\n"));
  status.state = RunState::Done;
  status.skipped_steps = 3;
  status.reason.clear();
  CHECK(describe(status) == "done  step 60/60  loss 4.1600  skipped 3 of 60 steps");
  write_status(dir.path(), status);
  CHECK(contains(to_text(make_report(dir.path()), kNow), "skipped 3 of 60 steps\n"));
  const auto json = nlohmann::json::parse(to_json(make_report(dir.path()), kNow));
  CHECK(json["runs"][0]["skipped_steps"] == 3);
  CHECK(json["runs"][0]["unigram_floor"] == "nan");
}

TEST_CASE("the JSON report is valid, typed, and has no bare infinities", "[status]") {
  TemporaryDirectory dir;
  make_sweep_directory(dir.path());
  const auto json = nlohmann::json::parse(to_json(make_report(dir.path()), kNow));
  CHECK(json["counts"] == nlohmann::json{{"pending", 1}, {"done", 1}, {"diverged", 1}});
  CHECK(json["runs"].size() == 3);
  CHECK(json["runs"][0]["values"] == nlohmann::json{{"seed", 0}, {"optimizer.lr", 0.001}});
  CHECK(json["runs"][1]["loss"] == "inf");
  CHECK(json["runs"][1]["divergence_step"] == 16);
  CHECK(json["runs"][2]["age_seconds"].is_null());
}

TEST_CASE("a single run is reported under its directory's name", "[status]") {
  TemporaryDirectory dir;
  write_status(dir.path(), RunStatus{});
  const StatusReport report = make_report(dir.path() / "");
  REQUIRE(report.runs.size() == 1);
  CHECK(report.runs[0].id == dir.path().filename().string());
}

TEST_CASE("a directory of something else is refused", "[status]") {
  TemporaryDirectory dir;
  CHECK_THROWS_AS(make_report(dir.path()), ConfigError);
  CHECK_THROWS_AS(make_report(dir.path() / "missing"), ConfigError);
}

TEST_CASE("a running status whose process is gone is stale, a damaged one failed", "[status]") {
  TemporaryDirectory dir;
  RunStatus status;
  stamp(status);
  status.state = RunState::Running;
  write_status(dir.path(), status);
  CHECK(observe_run(dir.path()).state == RunState::Running);
  status.process_start -= 1;
  write_status(dir.path(), status);
  CHECK(observe_run(dir.path()).state == RunState::Stale);
  write_text(dir.path() / kStatusFileName, "{");
  CHECK(observe_run(dir.path()).state == RunState::Failed);
  CHECK(contains(observe_run(dir.path()).reason, "damaged"));
}

TEST_CASE("the last log line is found in short, long and empty logs", "[status]") {
  TemporaryDirectory dir;
  CHECK(last_log_line(dir.path()).empty());
  write_text(dir.path() / "log.txt", "");
  CHECK(last_log_line(dir.path()).empty());
  write_text(dir.path() / "log.txt", "only");
  CHECK(last_log_line(dir.path()) == "only");
  write_text(dir.path() / "log.txt", std::string(10'000, 'x') + "\nlast\r\n\n");
  CHECK(last_log_line(dir.path()) == "last");
}

TEST_CASE("a log that is a link or a FIFO is not read", "[status]") {
  TemporaryDirectory dir;
  write_text(dir / "secret", "secret");
  fs::create_symlink("secret", dir / "log.txt");
  CHECK(last_log_line(dir.path()).empty());
  fs::remove(dir / "log.txt");
  REQUIRE(mkfifo((dir / "log.txt").c_str(), 0600) == 0);
  CHECK(last_log_line(dir.path()).empty());
}

TEST_CASE("tables align columns and print no control characters", "[status]") {
  CHECK(format_table({{"a", "bcd"}, {"ef", "g"}, {"\x1b[2J", "é"}}) == "a          bcd\nef         g\n\\u001b[2J  é\n");
}

TEST_CASE("status shows labels, and its JSON both value and label", "[status]") {
  TemporaryDirectory dir;
  make_sweep_directory(dir.path());
  SweepRecord record = read_record(dir.path()).value();
  record.labels["optimizer.lr"]["0.01"] = "too high";
  write_record(dir.path(), record);
  CHECK(contains(to_text(make_report(dir.path()), kNow), "0     too high      diverged"));
  const auto json = nlohmann::json::parse(to_json(make_report(dir.path()), kNow));
  CHECK(json["runs"][1]["values"]["optimizer.lr"] == 0.01);
  CHECK(json["runs"][1]["labels"] == nlohmann::json{{"optimizer.lr", "too high"}});
  CHECK(json["runs"][0]["labels"].empty());
}

TEST_CASE("status names run directories that no record lists", "[status]") {
  TemporaryDirectory dir;
  make_sweep_directory(dir.path());
  CHECK_FALSE(contains(to_text(make_report(dir.path()), kNow), "not in sweep.toml"));
  for (const char* name : {"0000000001", "mine"}) {
    fs::create_directory(dir.path() / name);
    write_text(dir.path() / name / kConfigFileName, "");
  }
  fs::create_directory(dir.path() / "figures");
  const std::string text = to_text(make_report(dir.path()), kNow);
  CHECK(contains(text, "runs not in sweep.toml: 0000000001; precipice sweep --out "));
  CHECK(contains(text, "under names of their own: mine\n"));
  CHECK(nlohmann::json::parse(to_json(make_report(dir.path()), kNow))["unlisted"].size() == 2);
}

TEST_CASE("an index that cannot be read or has no digest is stale, none is missing", "[status]") {
  TemporaryDirectory dir;
  make_sweep_directory(dir.path());
  CHECK(make_report(dir.path()).index == IndexState::Missing);
  write_text(dir.path() / kIndexFileName, "no HDF5");
  CHECK(make_report(dir.path()).index == IndexState::Stale);
  CHECK(contains(to_text(make_report(dir.path()), kNow), "index.h5 is older than the runs; precipice merge "));
}

TEST_CASE("a table that is cut shows what goes on before what is over", "[status]") {
  TemporaryDirectory dir;
  make_sweep_directory(dir.path());
  const std::string text = to_text(make_report(dir.path()), kNow, 1);
  CHECK(contains(text, "3 runs: 1 pending, 1 done, 1 diverged\n"));
  CHECK(contains(text, "pending  -"));
  CHECK(contains(text, "and 2 more\n"));
  CHECK_FALSE(contains(text, "400/400"));
}

TEST_CASE("the rate of what runs is shown, and no such column where nothing does", "[status]") {
  TemporaryDirectory dir;
  make_sweep_directory(dir.path());
  CHECK_FALSE(contains(to_text(make_report(dir.path()), kNow), "step/s"));
  StatusReport report = make_report(dir.path());
  report.runs[2].status.state = RunState::Running;
  report.runs[2].status.heartbeat = kNow;
  report.runs[2].status.step = 100;
  report.runs[2].status.steps = 400;
  report.runs[2].status.final_loss = 2;
  report.runs[2].status.steps_per_second = 312.4;
  CHECK(contains(to_text(report, kNow), "running   100/400  2.0000  312     0s"));
}

TEST_CASE("a watch prints a line per change and ends when nothing is left to wait for", "[status]") {
  TemporaryDirectory dir;
  make_sweep_directory(dir.path());
  const StatusReport before = make_report(dir.path());
  CHECK_FALSE(all_ended(before));
  CHECK(changes_text(before, before).empty());
  StatusReport nothing = before;
  nothing.runs.clear();
  CHECK(contains(changes_text(nothing, before), "  0  0.001  done  step 400/400  loss 1.2500\n"));
  CHECK_FALSE(contains(changes_text(nothing, before), "pending"));
  StatusReport after = before;
  after.runs[2].status.state = RunState::Failed;
  after.runs[2].status.reason = "exit code 4";
  CHECK(changes_text(before, after) == after.runs[2].id + "  1  0.001  failed (exit code 4)\n");
  CHECK(all_ended(after));
}
