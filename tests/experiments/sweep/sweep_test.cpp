// SPDX-License-Identifier: Apache-2.0
// Sweeps as pure data: products, overrides, de-duplication, limits and error places.
#include "experiments/sweep/sweep.h"

#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "train/recipes/resolved_run.h"

using namespace precipice;

namespace {

Sweep sweep_of(const std::string& toml, const std::vector<std::string>& assignments = {}) {
  return make_sweep(parse_settings(toml, "s.toml"), read_assignments(assignments));
}

std::vector<std::string> table(const std::string& toml, const std::vector<std::string>& assignments = {}) {
  std::vector<std::string> rows;
  for (const SweepRun& run : expand_sweep(sweep_of(toml, assignments))) {
    std::string row;
    for (const AxisValue& value : run.values) row += (row.empty() ? "" : " ") + to_text(value);
    rows.push_back(row);
  }
  return rows;
}

std::string error_of(const std::string& toml, const std::vector<std::string>& assignments = {}) {
  try {
    expand_sweep(sweep_of(toml, assignments));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

using Rows = std::vector<std::string>;
const std::string kTwoAxes =
    "train.steps = 20\n[sweep]\nprecision.recipe = [\"bf16\", \"fp8\"]\nseed = \"range(0,3)\"\n";

}  // namespace

TEST_CASE("runs are the product of the axes in declared order, the first varying slowest", "[sweep]") {
  CHECK(table(kTwoAxes) == Rows{"bf16 0", "bf16 1", "bf16 2", "fp8 0", "fp8 1", "fp8 2"});
  const auto runs = expand_sweep(sweep_of(kTwoAxes));
  CHECK(runs[4].config.precision.recipe == "fp8");
  CHECK(runs[4].config.seed == 1);
  CHECK(runs[4].config.train.steps == 20);
  CHECK(runs[4].id == run_id(runs[4].config));
}

TEST_CASE("no axes make one run", "[sweep]") {
  CHECK(table("seed = 3\n").size() == 1);
}

TEST_CASE("an override of several values makes or replaces an axis in its place", "[sweep]") {
  CHECK(table(kTwoAxes, {"precision.recipe=fp32,tf32", "seed=5"}) == Rows{"fp32", "tf32"});
  CHECK(table(kTwoAxes, {"precision.recipe=fp32", "optimizer.lr=1e-3,1e-2", "seed=range(0,2)"}) ==
        Rows{"0 0.001", "0 0.01", "1 0.001", "1 0.01"});
}

TEST_CASE("an override of one value replaces an axis and sets the base", "[sweep]") {
  const Sweep sweep = sweep_of(kTwoAxes, {"seed=7", "train.steps=5"});
  REQUIRE(sweep.axes.size() == 1);
  const auto runs = expand_sweep(sweep);
  CHECK(runs.front().config.seed == 7);
  CHECK(runs.front().config.train.steps == 5);
}

TEST_CASE("an axis wins over the base setting of its key", "[sweep]") {
  const Sweep sweep = sweep_of("seed = 9\n[sweep]\nseed = [1, 2]\n");
  CHECK(sweep.base.empty());
  const auto runs = expand_sweep(sweep);
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].config.seed == 1);
}

TEST_CASE("a list key takes a whole array as one value", "[sweep]") {
  CHECK(table("[sweep]\nmetrics.epsilons = [1e-3, 1e-4]\n").size() == 1);
  const auto runs = expand_sweep(sweep_of("", {"metrics.epsilons=[1e-3],[1e-3, 1e-4]"}));
  REQUIRE(runs.size() == 2);
  CHECK(runs[1].config.metrics.epsilons == std::vector<double>{1e-3, 1e-4});
}

TEST_CASE("combinations that resolve to one config are one run", "[sweep]") {
  CHECK(table("", {"seed=1,1"}) == Rows{"1"});
  CHECK(table("", {"optimizer.lr=1e-3,0.001,1e-2"}) == Rows{"0.001", "0.01"});
}

TEST_CASE("the number of runs is capped before any config is made", "[sweep]") {
  const std::string cap = "at most 10000 runs";
  CHECK(contains(error_of("", {"seed=range(0,101)", "init.seed=range(0,100)"}), cap));
  CHECK(contains(error_of("", {"seed=range(0,10000)", "init.seed=range(0,10000)", "data.seed=range(0,10000)"}), cap));
}

TEST_CASE("mistakes in the sweep table name file, line, key and the nearest key", "[sweep]") {
  const std::string unknown = error_of("seed = 1\n[sweep]\noptimizer.lrr = [1, 2]\n");
  CHECK(unknown.starts_with("s.toml:3: optimizer.lrr = "));
  CHECK(contains(unknown, "optimizer.lr?"));
  CHECK(error_of("[sweep]\nseed = \"range(3,1)\"\n").starts_with("s.toml:2: seed = "));
  CHECK(error_of("[sweep]\noptimizer.lr = [1e-3, -1.0]\n").starts_with("s.toml:2: optimizer.lr = -1"));
  CHECK(error_of("", {"optimizer.lr=1e-3,nan"}).starts_with("optimizer.lr = "));
  CHECK(contains(error_of("", {"optimzer.lr=1e-3,1e-2"}), "optimizer.lr?"));
}

TEST_CASE("assignments need a key and give each key once", "[sweep]") {
  CHECK_THROWS_WITH(read_assignments({"seed"}, "command line"), "command line: seed: expected key=value");
  CHECK_THROWS_AS(read_assignments({"=1"}), ConfigError);
  CHECK(contains(error_of("", {"seed=1", "seed=2"}), "twice"));
}

TEST_CASE("a single run takes overrides and refuses a sweep table", "[sweep]") {
  const RunConfig config = single_run(parse_settings("seed = 1\n", "c.toml"), read_assignments({"seed=4"})).config;
  CHECK(config.seed == 4);
  CHECK_THROWS_AS(single_run(parse_settings(kTwoAxes, "c.toml"), {}), ConfigError);
}

TEST_CASE("an axis's values are those of the configs, however they are spelt", "[sweep]") {
  CHECK(table("seed = 3\n", {"precision.recipe=E8M3,FP8", "train.steps=1e2,200"}) ==
        Rows{"e8m3 100", "e8m3 200", "fp8 100", "fp8 200"});
  CHECK(table("[sweep]\nprecision.recipe = ['E8M3', 'bf16']\n") == Rows{"e8m3", "bf16"});
}

TEST_CASE("a list of values for one run says what takes lists", "[sweep]") {
  for (const char* assignment : {"seed=0,1", "seed=range(0,3)", "seed=0..7", "precision.recipe=bf16,fp8"}) {
    std::string message;
    try {
      single_run({}, read_assignments({assignment}));
    } catch (const ConfigError& error) {
      message = error.what();
    }
    CHECK(contains(message, "several values are for `precipice sweep`"));
  }
  CHECK(single_run({}, read_assignments({"precision.recipe=mxfp8:element=e5m2,block=16"})).config.precision.recipe ==
        "mxfp8:element=e5m2,block=16");
}
