// SPDX-License-Identifier: Apache-2.0
// precipice sweep end to end: jobs, resumption, failures, interruption, verify and status.
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "experiments/status/status_report.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

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
  CHECK(contains(first.out, "4 runs: 4 untrained\n"));
  const Json status = status_of(place, "one");
  REQUIRE(status["runs"].size() == 4);
  CHECK(status["runs"][3]["values"] == Json{{"precision.recipe", "fp8"}, {"seed", 1}});
  for (const Json& run : status["runs"]) {
    const std::string id = run["id"];
    CHECK(run["state"] == "untrained");  // twenty steps teach it nothing
    CHECK(text_of(place.path("one/" + id + "/run.h5")) == text_of(place.path("two/" + id + "/run.h5")));
  }
  CHECK(place.run({"verify", place.path("one")}).exit_code == 0);

  const auto before = snapshot(place.path("one"));
  REQUIRE(place.run(sweep(place, "one", one)).exit_code == 0);
  CHECK(snapshot(place.path("one")) == before);

  // Further values keep the old runs.
  REQUIRE(place.run(sweep(place, "one", {"precision.recipe=bf16,fp8", "seed=range(0,3)"})).exit_code == 0);
  CHECK(status_of(place, "one")["counts"] == Json{{"untrained", 6}});
  for (const auto& [path, bytes] : before)
    if (path.ends_with("run.h5")) CHECK(text_of(path) == bytes);
}

TEST_CASE("a cell of a sweep is what train makes of its settings", "[integration]") {
  Workplace place;
  REQUIRE(place.run({"sweep", place.config(), "seed=3,4", "precision.recipe=fp8", "--out", place.path("s"), "--quiet"})
              .exit_code == 0);
  REQUIRE(place.run({"train", place.config(), "seed=4", "precision.recipe=fp8", "--out", place.path("t"), "--quiet"})
              .exit_code == 0);
  const std::string id = read_status(fs::path(place.path("t")) / kStatusFileName)->run_id;
  const fs::path cell = fs::path(place.path("s")) / id, alone = place.path("t");
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(alone))
    if (entry.is_regular_file()) names.push_back(fs::relative(entry.path(), alone).string());
  CHECK(names.size() == 7);  // two checkpoints are kept
  for (const std::string& name : names) {
    CAPTURE(name);
    REQUIRE(fs::exists(cell / name));
    // These two name times and commands.
    if (name != kStatusFileName && name != kLogFileName) CHECK(text_of(cell / name) == text_of(alone / name));
  }
  const RunStatus status = *read_status(cell / kStatusFileName);
  CHECK(status.invocation ==
        "precipice train " + (cell / kConfigFileName).string() + " --out " + cell.string() + " --quiet");
  CHECK(contains(text_of(cell / kLogFileName), "run: " + cell.string() + "  " + to_string(status.state)));
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
  CHECK(status["counts"] == Json{{"untrained", 1}, {"diverged", 1}, {"failed", 2}});
  for (const Json& run : status["runs"])
    if (run["state"] == "failed") CHECK(contains(run["reason"], "precipice: error: "));

  write_text(place.path("later"), std::string(4000, 'b'));
  auto again = axes;
  again.insert(again.end(), {"--only", "failed"});
  CHECK(place.run(sweep(place, "s", again)).exit_code == 0);
  CHECK(status_of(place, "s")["counts"] == Json{{"untrained", 2}, {"diverged", 2}});
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
    CHECK(counts.value("interrupted", 0) + counts.value("done", 0) + counts.value("untrained", 0) >= 1);
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
  const Json status = status_of(place, "whole");
  for (const Json& run : status["runs"]) {
    const std::string file = "/" + run["id"].get<std::string>() + "/run.h5";
    CHECK(text_of(place.path("s" + file)) == text_of(place.path("whole" + file)));
  }
}

TEST_CASE("a second sweep into a directory loses no run of the first", "[integration]") {
  Workplace place;
  REQUIRE(place.run(sweep(place, "s", {"precision.recipe=bf16,fp8", "seed=0..1"})).exit_code == 0);
  CHECK_FALSE(contains(place.run({"status", place.path("s")}).out, "index.h5"));
  const auto before = snapshot(place.path("s"));
  const ProgramResult second = place.run(sweep(place, "s", {"precision.recipe=bf16,fp8", "seed=5"}));
  CAPTURE(second.err);
  REQUIRE(second.exit_code == 0);
  CHECK(contains(second.out, "2 runs: 2 untrained; beside 4 of earlier commands"));
  CHECK(status_of(place, "s")["counts"] == Json{{"untrained", 6}});
  CHECK(contains(place.run({"verify", place.path("s")}).out, "6 runs, 6 intact"));
  // Each sweep leaves an index of all runs; an older one is said to be.
  CHECK_FALSE(contains(place.run({"status", place.path("s")}).out, "index.h5"));
  const std::string index = text_of(place.path("s/index.h5"));
  write_text(place.path("s/index.h5"), before.at(place.path("s") + "/index.h5"));
  CHECK(contains(place.run({"status", place.path("s")}).out, "index.h5 is older than the runs"));
  CHECK(contains(place.run({"merge", place.path("s")}).out, "index.h5: 6 runs"));
  CHECK(text_of(place.path("s/index.h5")) == index);
  for (const auto& [path, bytes] : before)
    if (path.ends_with("run.h5")) CHECK(text_of(path) == bytes);

  // Another base is refused before anything is written, in a plan too.
  const auto whole = snapshot(place.path("s"));
  for (const std::string option : {"--quiet", "--dry-run"}) {
    const ProgramResult refused = place.run(sweep(place, "s", {"seed=6", "train.steps=30", option}));
    CHECK(refused.exit_code == 2);
    CHECK(contains(refused.err, "train.steps is 20 there and 30 here"));
  }
  CHECK(snapshot(place.path("s")) == whole);
  CHECK(place.run(sweep(place, "s", {"seed=6", "train.steps=30", "--add"})).exit_code == 0);
  CHECK(status_of(place, "s")["counts"] == Json{{"untrained", 7}});
}

TEST_CASE("the same sweep twice at once trains each run once, and both say what became of all", "[integration]") {
  Workplace place;
  const auto command = sweep(place, "s", {"seed=range(0,4)", "train.steps=200", "--jobs", "2"});
  fs::create_directory(place.path("one"));
  fs::create_directory(place.path("two"));
  RunningProgram one(place.path("one"), command), two(place.path("two"), command);
  for (RunningProgram* program : {&one, &two}) {
    const ProgramResult result = program->wait();
    CAPTURE(result.out, result.err);
    CHECK(result.exit_code == 0);
    CHECK(contains(result.out, "4 runs: 4 done\n"));
    CHECK_FALSE(contains(result.out, "failed"));
  }
  CHECK(place.run({"verify", place.path("s")}).exit_code == 0);
}

TEST_CASE("a directory whose name begins with a dash is no option", "[integration]") {
  Workplace place;
  const std::string command = "cd " + place.dir.path().string() + " && exec " + program_path();
  REQUIRE(std::system((command + " sweep tiny.toml seed=0,1 --out=-e --quiet > out").c_str()) == 0);
  CHECK(status_of(place, "-e")["counts"] == Json{{"untrained", 2}});
  CHECK(std::system((command + " train tiny.toml --out=-v --quiet >> out").c_str()) == 0);
  CHECK(fs::exists(place.path("-v/run.h5")));
}

TEST_CASE("an interrupted sweep says which command goes on with it", "[integration]") {
  Workplace place;
  const auto command = sweep(place, "s", {"seed=0,1", "train.steps=20000", "--jobs", "2"});
  RunningProgram program(place.dir.path(), command);
  // Until the heads of its journals are there.
  std::string first;
  for (int i = 0; i < 1000 && first.empty(); ++i, usleep(10'000))
    if (fs::exists(place.path("s/sweep.toml"))) first = status_of(place, "s")["runs"][0]["id"];
  REQUIRE(wait_for_size(place.path("s/" + first + "/metrics.jnl"), 10'000));
  program.send(SIGINT);
  const ProgramResult result = program.wait();
  CHECK(result.exit_code == 130);
  CHECK(contains(result.out, "the same command goes on with the sweep: "));
  CHECK(contains(result.out, "sweep " + place.config() + " --out " + place.path("s") + " seed=0,1"));
}

TEST_CASE("a watch follows a sweep to its end", "[integration]") {
  Workplace place;
  const auto command = sweep(place, "s", {"seed=0,1", "train.steps=100", "--jobs", "1"});
  fs::create_directory(place.path("sweeper"));
  RunningProgram program(place.path("sweeper"), command);
  for (int i = 0; i < 1000 && !fs::exists(place.path("s/sweep.toml")); ++i) usleep(10'000);
  const ProgramResult watched = place.run({"status", place.path("s"), "--watch", "--every", "0.1"});
  CHECK(program.wait().exit_code == 0);
  CHECK(watched.exit_code == 0);
  CHECK(contains(watched.out, "  done  step 100/100"));
  CHECK(contains(watched.out, "2 runs: 2 done\n"));
}

TEST_CASE("labels of a sweep file are shown and decide nothing about its runs", "[integration]") {
  Workplace place;
  const std::string base = text_of(place.config());
  write_text(place.path("labelled.toml"),
             base + "\n[sweep]\n\"precision.recipe\" = [{value = \"fp8\", label = \"eight bits\"}, \"bf16\"]\n");
  const std::string out = place.path("s");
  REQUIRE(place.run({"sweep", place.path("labelled.toml"), "--out", out}).exit_code == 0);
  CHECK(contains(text_of(out + "/sweep.toml"), "[labels.\"precision.recipe\"]\n\"fp8\" = \"eight bits\"\n"));
  CHECK(contains(place.run({"status", out}).out, "eight bits"));
  CHECK(contains(place.run({"merge", out}).out, "eight bits"));
  const auto before = status_of(place, "s");
  REQUIRE(place.run(sweep(place, "s", {"precision.recipe=fp8,bf16"})).exit_code == 0);
  CHECK(status_of(place, "s")["runs"] == before["runs"]);
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
  // How products are made differs from CPU to CPU, and so does the number of their lines.
  const std::size_t products = plan.out.find("  products on this CPU\n"), storage = plan.out.find("between steps\n");
  REQUIRE(products < storage);
  REQUIRE(storage != std::string::npos);
  const std::size_t of_products = count_lines(plan.out.substr(products, storage - products));
  CHECK(of_products >= 2);
  // The table of runs, their common plan for matmuls and for storage, the estimates and the power.
  CHECK(count_lines(plan.out) == 1 + 9 + (1 + 3) + of_products + (1 + 5) + 1 + 8);
}
