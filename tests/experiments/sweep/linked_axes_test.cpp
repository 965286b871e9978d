// SPDX-License-Identifier: Apache-2.0
// Keys of a sweep that move together.
#include "experiments/statistics/sweep_data.h"
#include "experiments/sweep/sweep.h"
#include "experiments/sweep/sweep_record.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "train/run/run_directory.h"

using namespace precipice;

namespace {

const std::string kClamps =
    "[sweep]\nseed = [0, 1]\nclamp = [\n"
    "  {label = \"outer end 8\", \"precision.x\" = \"e7m7:bias=124\", \"precision.w\" = \"e7m7:bias=124\", "
    "\"optimizer.lr\" = 1e-3},\n"
    "  {label = \"as it is\", \"precision.x\" = \"bf16\", \"precision.w\" = \"bf16\", \"optimizer.lr\" = 1e-3}]\n";

Sweep sweep_of(const std::string& toml, const std::vector<std::string>& assignments = {}) {
  return make_labelled_sweep(parse_sweep_settings(toml, "s.toml"), read_assignments(assignments, "command line"));
}

std::string error_of(const std::string& toml, const std::vector<std::string>& assignments = {}) {
  try {
    sweep_of(toml, assignments);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("keys that move together make one run per label and seed, not one per combination", "[sweep]") {
  const std::vector<SweepRun> runs = expand_sweep(sweep_of(kClamps));
  REQUIRE(runs.size() == 4);
  for (const SweepRun& run : runs) CHECK(run.config.precision.x == run.config.precision.w);
  CHECK(runs[0].config.precision.x == "e7m7:bias=124");
  CHECK(runs[1].config.precision.x == "bf16");
  CHECK((runs[0].shown == std::vector<std::string>{"0", "outer end 8", "e7m7:bias=124", "0.001"}));
  // The same runs by hand.
  const std::vector<SweepRun> plain = expand_sweep(sweep_of(
      "", {"precision.x=\"e7m7:bias=124\"", "precision.w=\"e7m7:bias=124\"", "optimizer.lr=1e-3", "seed=0,1"}));
  CHECK(runs[0].id == plain[0].id);
  CHECK(runs[2].id == plain[1].id);
}

TEST_CASE("formats of keys that move together are called by their label alone", "[sweep]") {
  const TemporaryDirectory place;
  const Sweep sweep = sweep_of(kClamps);
  const std::vector<SweepRun> runs = expand_sweep(sweep);
  write_record(place.path(), make_record(sweep, runs, "precipice sweep s.toml"));
  for (const SweepRun& run : runs) RunDirectory(place.path() / run.id).claim(run.config);
  CHECK((read_sweep_data(place.path()).formats == std::vector<std::string>{"x=outer end 8", "x=as it is"}));
}

TEST_CASE("labels go with the first key whose values all differ", "[sweep]") {
  const Sweep sweep = sweep_of(
      "[sweep]\na = [{label = \"one\", \"precision.x\" = \"bf16\", \"precision.w\" = \"e8m3\"}, "
      "{label = \"two\", \"precision.x\" = \"bf16\", \"precision.w\" = \"e8m1\"}]");
  REQUIRE(sweep.axes.size() == 2);
  CHECK(sweep.axes[0].labels.empty());
  CHECK((sweep.axes[1].labels == std::vector<std::string>{"one", "two"}));
}

TEST_CASE("linked values are read strictly", "[sweep]") {
  const auto linked = [](const std::string& first, const std::string& second) {
    return error_of("[sweep]\na = [" + first + ", " + second + "]");
  };
  const std::string good = "{label = \"l\", \"precision.x\" = \"bf16\", \"precision.w\" = \"bf16\"}";
  CHECK(contains(linked(good, "{label = \"m\", \"precision.x\" = \"e8m3\"}"), "the same keys in all"));
  CHECK(contains(linked(good, "{label = \"m\", \"precision.x\" = \"e8m3\", \"precision.dy\" = \"e8m3\"}"), "has no"));
  CHECK(contains(linked(good, "3"), "the same keys in all"));
  CHECK(contains(linked("{label = \"l\", \"precision.x\" = \"bf16\"}", "{label = \"m\", \"precision.x\" = \"e8m3\"}"),
                 "\"KEY\""));
  CHECK(contains(linked("{\"precision.x\" = \"bf16\", \"precision.w\" = \"bf16\"}", good), "label"));
  CHECK(contains(linked(good, "{label = \"m\", \"precision.x\" = \"bf16\", \"precision.w\" = \"bf16\"}"),
                 "another value for each label"));
  CHECK(contains(linked("{label = \"l\", \"precision.y\" = \"bf16\", \"precision.w\" = \"bf16\"}",
                        "{label = \"m\", \"precision.y\" = \"e8m3\", \"precision.w\" = \"e8m3\"}"),
                 "precision.y"));
  CHECK(contains(error_of(kClamps, {"precision.w=bf16"}), "cannot be set alone"));
}
