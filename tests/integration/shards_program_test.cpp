// SPDX-License-Identifier: Apache-2.0
// precipice sweep --shard and --for end to end: several processes, kills, budgets, signals, status, and bad input.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "experiments/status/status_report.h"
#include "metrics/log/status_file.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "train/run/checkpoint.h"

using namespace precipice;
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

std::vector<std::string> shared_sweep(const Workplace& place, const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"sweep", place.config(), "--out", place.path("s")};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

Json report_of(const Workplace& place, const std::string& sweep = "s") {
  return Json::parse(to_json(make_report(place.path(sweep)), 0));
}

// The folder of its own that the output of a further process goes to.
fs::path folder(const Workplace& place, const std::string& name) {
  fs::create_directory(place.path(name));
  return place.path(name);
}

void check_kills(const std::string& options) {
  Workplace place;
  const std::string answer = place.path("answer");
  const std::string command = "'" + source_directory() + "/tests/integration/kill_shards' '" + program_path() + "' '" +
                              place.config() + "' '" + place.dir.path().string() + "' " + options + " >'" + answer +
                              "' 2>&1";
  const int status = std::system(command.c_str());
  INFO(text_of(answer));
  CHECK(status == 0);
  CHECK(contains(text_of(answer), ", 0 complaints"));
}

// Waits until the program of the folder `s` has a run under way; its id.
std::string running_run(const Workplace& place) {
  for (int i = 0; i < 1500; ++i, usleep(10'000)) {
    if (!fs::exists(place.path("s/sweep.toml"))) continue;
    const Json report = report_of(place);
    for (const Json& run : report["runs"])
      if (run["state"] == "running" && run["step"] > 0) return run["id"];
  }
  return "";
}

}  // namespace

TEST_CASE("four shards killed eight times end with every run done once and the bytes of one process's sweep",
          "[integration]") {
  check_kills("--shards 4 --kills 8 --runs 4 --steps 100");
}

TEST_CASE("eight shards killed a hundred times lose nothing", "[.slow]") {
  check_kills("--shards 8 --kills 100 --runs 24 --steps 600");
}

TEST_CASE("a shard alone does the whole sweep, its share first, and its record names no share", "[integration]") {
  Workplace place;
  const ProgramResult result = place.run(shared_sweep(place, {"seed=range(0,4)", "--shard=1/3", "--jobs", "1"}));
  CAPTURE(result.out, result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(contains(result.out, "4 runs: 4 untrained"));
  CHECK_FALSE(contains(text_of(place.path("s/sweep.toml")), "--shard"));
  // Values appended to an axis: nothing is renumbered, what is done stays.
  const auto before = snapshot(place.path("s"));
  REQUIRE(place.run(shared_sweep(place, {"seed=range(0,5)", "--shard", "0/2"})).exit_code == 0);
  CHECK(report_of(place)["counts"] == Json{{"untrained", 5}});
  for (const auto& [path, bytes] : before)
    if (path.ends_with("run.h5")) CHECK(text_of(path) == bytes);
}

TEST_CASE("the index of an array's task is taken from the environment", "[integration]") {
  Workplace place;
  const auto command = [&](const std::string& environment) {
    return environment + " '" + program_path() + "' sweep '" + place.config() + "' seed=0,1 --shard auto/2 --out '" +
           place.path("s") + "' --quiet >'" + place.path("out") + "' 2>&1";
  };
  CHECK(std::system(command("SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_MIN=6").c_str()) == 0);
  CHECK(report_of(place)["counts"] == Json{{"untrained", 2}});
  CHECK(WEXITSTATUS(std::system(command("JOB_COMPLETION_INDEX=2").c_str())) == 2);
  CHECK(contains(text_of(place.path("out")), "JOB_COMPLETION_INDEX is 2, counted from 0: the index must be 0 to 1"));
}

TEST_CASE("wrong shards and budgets are refused in one line", "[integration]") {
  Workplace place;
  for (const auto& [option, value, what] : {std::tuple{"--shard", "4/4", "the index of one of 4 shards is 0 to 3"},
                                            {"--shard", "-1/4", "the index of one of 4 shards is 0 to 3"},
                                            {"--shard", "x", "must be I/N or auto/N"},
                                            {"--for", "50 minutes", "must be a time above 0"},
                                            {"--for", "0m", "must be a time above 0"}}) {
    const ProgramResult result = place.run(shared_sweep(place, {"seed=0,1", std::string(option) + "=" + value}));
    CAPTURE(option, value, result.err);
    CHECK(result.exit_code == 2);
    CHECK(contains(result.err, what));
    CHECK(contains(result.err, option));
    CHECK(count_lines(result.err) == 1);
    CHECK_FALSE(fs::exists(place.path("s")));
  }
}

TEST_CASE("a budget checkpoints what runs, ends with exit code 7 and the next one goes on to equal bytes",
          "[integration]") {
  Workplace place;
  const std::vector<std::string> axes{"seed=0,1", "train.steps=1200", "--jobs", "1"};
  auto with = axes;
  with.insert(with.end(), {"--for", "0.5s"});
  const ProgramResult first = place.run(shared_sweep(place, with));
  CAPTURE(first.out, first.err);
  CHECK(first.exit_code == 7);
  CHECK(contains(first.out, "the time of --for 0.5s is used; the same command goes on with the sweep: "));
  CHECK(report_of(place)["counts"].value("failed", 0) == 0);
  CHECK(report_of(place)["counts"].value("running", 0) == 0);
  REQUIRE(place.run(shared_sweep(place, axes)).exit_code == 0);
  std::vector<std::string> whole{"sweep", place.config(), "--out", place.path("whole")};
  whole.insert(whole.end(), axes.begin(), axes.end());
  REQUIRE(place.run(whole).exit_code == 0);
  const Json report = report_of(place);
  for (const Json& run : report["runs"]) {
    const std::string file = "/" + run["id"].get<std::string>() + "/run.h5";
    CHECK(text_of(place.path("s" + file)) == text_of(place.path("whole" + file)));
  }
}

TEST_CASE("SIGUSR2 checkpoints a shard's runs within its time and ends it with exit code 7, SIGTERM with 143",
          "[integration]") {
  const auto [signal, code] = GENERATE(table<int, int>({{SIGUSR2, 7}, {SIGTERM, 143}}));
  Workplace place;
  RunningProgram program(folder(place, "a"),
                         shared_sweep(place, {"seed=0,1", "train.steps=100000", "--shard", "0/1", "--jobs", "1"}));
  const std::string id = running_run(place);
  REQUIRE(!id.empty());
  program.send(signal);
  const ProgramResult result = program.wait();
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == code);
  const RunStatus status = *read_status(fs::path(place.path("s")) / id / kStatusFileName);
  CHECK(status.state == RunState::Interrupted);
  CHECK(fs::exists(checkpoint_path(fs::path(place.path("s")) / id / kCheckpointFolder, status.step)));
}

TEST_CASE("status shows the shards of a sweep, what each trains, and what is gone", "[integration]") {
  Workplace place;
  RunningProgram program(folder(place, "a"),
                         shared_sweep(place, {"seed=0,1", "train.steps=100000", "--shard", "0/2", "--jobs", "1"}));
  const std::string id = running_run(place);
  REQUIRE(!id.empty());
  Json report;
  for (int i = 0; i < 800 && (report.is_null() || report["shards"].empty() || report["shards"][0]["running"].empty());
       ++i, usleep(10'000))
    report = report_of(place);
  CHECK(report["shards"][0]["name"] == "shard 0/2");
  CHECK(report["shards"][0]["state"] == "working");
  CHECK(report["shards"][0]["host"] == host_name());
  CHECK(report["shards"][0]["running"] == Json{id});
  for (const Json& run : report["runs"])
    CHECK((run["id"] == id ? run["claim"]["state"] == "held" : run["claim"].is_null()));
  const std::string text = place.run({"status", place.path("s")}).out;
  CHECK(contains(text, "1 process on 1 host trains 1 run"));
  CHECK(contains(text, "; 1 waits"));
  program.send(SIGKILL);
  program.wait();
  for (int i = 0; i < 1000 && report["counts"].value("running", 0) > 0; ++i, usleep(10'000)) report = report_of(place);
  CHECK(report_of(place)["shards"][0]["state"] == "gone");
  CHECK(contains(place.run({"status", place.path("s")}).out, "run " + id + " waits to be taken over: shard 0/2"));
}

TEST_CASE("a second process of one index is said and does nothing twice", "[integration]") {
  Workplace place;
  const auto command = shared_sweep(place, {"seed=0,1", "train.steps=4000", "--shard", "0/2", "--jobs", "1"});
  RunningProgram one(folder(place, "a"), command);
  REQUIRE(!running_run(place).empty());
  RunningProgram two(folder(place, "b"), command);
  const ProgramResult second = two.wait(), first = one.wait();
  CAPTURE(first.out, first.err, second.out, second.err);
  CHECK(first.exit_code == 0);
  CHECK(second.exit_code == 0);
  CHECK(contains(second.out, "shard 0/2 works here already: process "));
  CHECK(place.run({"verify", place.path("s")}).exit_code == 0);
  const Json report = report_of(place);
  for (const Json& run : report["runs"])
    CHECK_FALSE(contains(text_of(run["directory"].get<std::string>() + "/log.txt"), "resumed"));
}

TEST_CASE("a failing run costs the shards itself once, and they end with exit code 3", "[integration]") {
  Workplace place;
  write_text(place.path("text"), std::string(4000, 'a'));
  const std::string data = "data.path=" + place.path("text") + "," + place.path("missing");
  const auto command = [&](const std::string& shard) {
    return shared_sweep(place, {"data.source=text", data, "seed=0,1", "--jobs", "1", "--shard", shard});
  };
  RunningProgram one(folder(place, "a"), command("0/2")), two(folder(place, "b"), command("1/2"));
  const int first = one.wait().exit_code, second = two.wait().exit_code;
  CHECK((first == 3 || second == 3));
  CHECK(report_of(place)["counts"] == Json{{"untrained", 2}, {"failed", 2}});
}

TEST_CASE("a shard of another version is refused where one works", "[integration]") {
  Workplace place;
  REQUIRE(place.run(shared_sweep(place, {"seed=0,1", "--shard", "0/2"})).exit_code == 0);
  write_text(place.path("s/shards/0.shard"), "{\"format\": 2}");
  const ProgramResult result = place.run(shared_sweep(place, {"seed=0,1,2", "--shard", "0/2"}));
  CHECK(result.exit_code == 2);
  CHECK(contains(result.err, "another version of precipice"));
}
