// SPDX-License-Identifier: Apache-2.0
// `status` as text and JSON, tables, and what the launcher reads from run directories.
#include "experiments/status_report.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "experiments/run_directory.h"
#include "experiments/sweep_record.h"
#include "experiments/table.h"
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
    write_status(path / record.runs[i].id / kStatusFileName, status);
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
  write_status(dir.path() / kStatusFileName, status);
  CHECK(contains(to_text(make_report(dir.path()), kNow), "skipped  60/60  4.1600  0s   skipped 60 of 60 steps\n"));
  status.state = RunState::Done;
  status.skipped_steps = 3;
  status.reason.clear();
  CHECK(describe(status) == "done  step 60/60  loss 4.1600  skipped 3 of 60 steps");
  write_status(dir.path() / kStatusFileName, status);
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
  write_status(dir.path() / kStatusFileName, RunStatus{});
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
  write_status(dir.path() / kStatusFileName, status);
  CHECK(observe_run(dir.path()).state == RunState::Running);
  status.process_start -= 1;
  write_status(dir.path() / kStatusFileName, status);
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

TEST_CASE("tables align columns and print no control characters", "[status]") {
  CHECK(format_table({{"a", "bcd"}, {"ef", "g"}, {"\x1b[2J", "é"}}) == "a     bcd\nef    g\n?[2J  é\n");
}
