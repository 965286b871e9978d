// SPDX-License-Identifier: Apache-2.0
// precipice sweep end to end: jobs, resumption, failures, interruption, verify and status.
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "experiments/status_report.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"

using namespace precipice;
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

std::vector<std::string> sweep(const Workplace& place, const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"sweep", place.config(), "--out", place.path(out)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// What `precipice status --json` prints, without the third of a second that starting a program takes.
Json status_of(const Workplace& place, const std::string& sweep) {
  return Json::parse(to_json(make_report(place.path(sweep)), 0));
}

int count_running(const Workplace& place, const std::string& sweep) {
  return status_of(place, sweep)["counts"].value("running", 0);
}

}  // namespace

TEST_CASE("one job or two give equal run files, and repeating the sweep touches nothing", "[integration]") {
  Workplace place;
  const std::vector<std::string> axes{"precision.recipe=bf16,fp8", "seed=range(0,2)"};
  auto one = axes, two = axes;
  one.insert(one.end(), {"--jobs", "1"});
  two.insert(two.end(), {"--jobs", "2"});
  const ProgramResult first = place.run(sweep(place, "one", one));
  CAPTURE(first.err);
  REQUIRE(first.exit_code == 0);
  REQUIRE(place.run(sweep(place, "two", two)).exit_code == 0);
  CHECK(contains(first.out, "4 runs: 4 done\n"));
  const Json status = status_of(place, "one");
  REQUIRE(status["runs"].size() == 4);
  CHECK(status["runs"][3]["values"] == Json{{"precision.recipe", "fp8"}, {"seed", 1}});
  for (const Json& run : status["runs"]) {
    const std::string id = run["id"];
    CHECK(run["state"] == "done");
    CHECK(text_of(place.path("one/" + id + "/run.h5")) == text_of(place.path("two/" + id + "/run.h5")));
  }
  CHECK(place.run({"verify", place.path("one")}).exit_code == 0);

  const auto before = snapshot(place.path("one"));
  REQUIRE(place.run(sweep(place, "one", one)).exit_code == 0);
  CHECK(snapshot(place.path("one")) == before);

  // Further values keep the old runs.
  REQUIRE(place.run(sweep(place, "one", {"precision.recipe=bf16,fp8", "seed=range(0,3)"})).exit_code == 0);
  CHECK(status_of(place, "one")["counts"] == Json{{"done", 6}});
  for (const auto& [path, bytes] : before)
    if (path.ends_with("run.h5")) CHECK(text_of(path) == bytes);
}

TEST_CASE("verify counts runs that have not begun and finds no damage in them", "[integration]") {
  Workplace place;
  REQUIRE(place.run(sweep(place, "s", {"seed=0,1,2"})).exit_code == 0);
  // As a sweep that was stopped early leaves its later runs: a config and nothing else.
  const std::string later = status_of(place, "s")["runs"][2]["directory"];
  for (const auto& entry : fs::directory_iterator(later))
    if (entry.path().filename() != "config.toml") fs::remove_all(entry.path());
  const ProgramResult verified = place.run({"verify", place.path("s")});
  CHECK(verified.exit_code == 0);
  CHECK(contains(verified.out, "3 runs, 2 intact, 0 damaged, 1 not begun\n"));
  CHECK(place.run({"verify", later}).exit_code == 0);
  // Results that a status speaks of and that are gone are damage.
  const std::string first = status_of(place, "s")["runs"][0]["directory"];
  for (const auto& entry : fs::directory_iterator(first))
    if (entry.path().filename() != "config.toml" && entry.path().filename() != "status.json")
      fs::remove_all(entry.path());
  CHECK(place.run({"verify", place.path("s")}).exit_code == 4);
}

TEST_CASE("a failing run costs only itself, diverged runs are results, and --only failed repeats it", "[integration]") {
  Workplace place;
  // The text of one run is missing: it fails with exit code 2 or 4 while the others finish.
  write_text(place.path("text"), std::string(4000, 'a'));
  const std::vector<std::string> axes{"data.source=text", "data.path=" + place.path("text") + "," + place.path("later"),
                                      "optimizer.lr=1e-3,1e30"};
  const ProgramResult result = place.run(sweep(place, "s", axes));
  CHECK(result.exit_code == 3);
  Json status = status_of(place, "s");
  CHECK(status["counts"] == Json{{"done", 1}, {"diverged", 1}, {"failed", 2}});
  for (const Json& run : status["runs"])
    if (run["state"] == "failed") CHECK(contains(run["reason"], "precipice: error: "));

  write_text(place.path("later"), std::string(4000, 'b'));
  auto again = axes;
  again.insert(again.end(), {"--only", "failed"});
  CHECK(place.run(sweep(place, "s", again)).exit_code == 0);
  CHECK(status_of(place, "s")["counts"] == Json{{"done", 2}, {"diverged", 2}});
}

TEST_CASE("SIGTERM checkpoints every run of a sweep, SIGKILL of the launcher too, and it resumes to equal bytes",
          "[integration]") {
  Workplace place;
  const std::vector<std::string> axes{"seed=range(0,3)", "train.steps=300", "--jobs", "2"};
  REQUIRE(place.run(sweep(place, "whole", axes)).exit_code == 0);
  const std::string first = status_of(place, "whole")["runs"][0]["id"];
  const auto some = fs::file_size(place.path("whole/" + first + "/metrics.jnl")) / 6;
  {
    RunningProgram program(place.dir.path(), sweep(place, "s", axes));
    REQUIRE(wait_for_size(place.path("s/" + first + "/metrics.jnl"), some));
    program.send(SIGTERM);
    CHECK(program.wait().exit_code == 143);
    const Json counts = status_of(place, "s")["counts"];
    CHECK(counts.value("interrupted", 0) + counts.value("done", 0) >= 1);
    CHECK(counts.value("failed", 0) == 0);
  }
  {
    RunningProgram program(place.dir.path(), sweep(place, "s", axes));
    REQUIRE(wait_for_size(place.path("s/" + first + "/metrics.jnl"), 2 * some));
    program.send(SIGKILL);
    program.wait();
    // The workers stop by themselves: nothing runs any more after a moment.
    for (int i = 0; i < 1000 && count_running(place, "s") > 0; ++i) usleep(10'000);
    CHECK(count_running(place, "s") == 0);
  }
  REQUIRE(place.run(sweep(place, "s", axes)).exit_code == 0);
  for (const Json& run : status_of(place, "whole")["runs"]) {
    const std::string file = "/" + run["id"].get<std::string>() + "/run.h5";
    CHECK(text_of(place.path("s" + file)) == text_of(place.path("whole" + file)));
  }
}

TEST_CASE("a dry run lists every run with estimates and writes nothing", "[integration]") {
  Workplace place;
  const ProgramResult plan =
      place.run(sweep(place, "s", {"seed=range(0,3)", "optimizer.lr=logspace(1e-3,1e-1,3)", "--dry-run"}));
  CAPTURE(plan.err);
  REQUIRE(plan.exit_code == 0);
  CHECK_FALSE(fs::exists(place.path("s")));
  CHECK(contains(plan.out, "runs        9, 9 to go, 180 steps\n"));
  CHECK(contains(plan.out, "parameters  4400"));
  CHECK(contains(plan.out, "weights     fp32 (masters)"));
  // One thread each is among the ways that are compared, on any machine.
  CHECK(contains(plan.out, "\nfastest     --jobs "));
  CHECK(contains(plan.out, "with threads=1: about "));
  // The table of runs, their common plan for matmuls and for storage, the estimates and the power.
  CHECK(count_lines(plan.out) == 1 + 9 + (1 + 3) + (1 + 5) + 1 + 7);
}
