// SPDX-License-Identifier: Apache-2.0
// Labels of a sweep's values, and values that a comma has torn apart.
#include "experiments/sweep/sweep.h"

#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

using Rows = std::vector<std::string>;

std::vector<SweepRun> plain_runs(const std::string& toml, const std::vector<std::string>& assignments = {}) {
  return expand_sweep(make_sweep(parse_settings(toml, "s.toml"), read_assignments(assignments)));
}

std::string error_of(const std::vector<std::string>& assignments) {
  try {
    plain_runs("", assignments);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

Sweep labelled(const std::string& values, const std::vector<std::string>& assignments = {}) {
  return make_labelled_sweep(parse_sweep_settings("[sweep]\n\"precision.recipe\" = " + values + "\n", "s.toml"),
                             read_assignments(assignments));
}

std::string label_error(const std::string& values) {
  try {
    labelled(values);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a label is shown for its value and decides nothing about the run", "[sweep]") {
  const auto runs =
      expand_sweep(labelled("[{value = \"mxfp8:element=e5m3,block=16\", label = \"E5M3 by 16\"}, \"bf16\"]"));
  const auto plain = plain_runs("[sweep]\n\"precision.recipe\" = [\"mxfp8:element=e5m3,block=16\", \"bf16\"]");
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].id == plain[0].id);
  CHECK(runs[1].id == plain[1].id);
  CHECK(runs[0].shown == Rows{"E5M3 by 16"});
  CHECK(runs[1].shown == Rows{"bf16"});
  CHECK(to_text(runs[0].values[0]) == "mxfp8:element=e5m3,block=16");
}

TEST_CASE("labels stay with values that the command line leaves", "[sweep]") {
  const std::string values = "[{value = \"mxfp8\", label = \"MX\"}, {value = \"fp8\", label = \"plain\"}, \"bf16\"]";
  const Sweep fewer = labelled(values, {"precision.recipe=nvfp4,mxfp8"});
  CHECK(fewer.axes[0].labels == Rows{"", "MX"});
  CHECK(labelled(values, {"precision.recipe=fp8"}).axes.empty());
  CHECK(labelled(values, {"seed=0,1"}).axes[0].labels == Rows{"MX", "plain", ""});
}

TEST_CASE("labels are read strictly", "[sweep]") {
  CHECK(contains(label_error("[{value = \"mxfp8\", name = \"MX\"}]"), "these two keys"));
  CHECK(contains(label_error("[{value = \"mxfp8\", label = \"MX\", x = 1}]"), "these two keys"));
  CHECK(contains(label_error("[{value = \"mxfp8\"}]"), "these two keys"));
  CHECK(contains(label_error("[{value = \"mxfp8\", label = \" \"}]"), "a label is text"));
  CHECK(contains(label_error("[{value = \"mxfp8\", label = 3}]"), "a label is text"));
  CHECK(contains(label_error("[{value = \"mxfp8\", label = \"a\\u001b\"}]"), "control characters"));
  CHECK(contains(label_error("[{value = [1], label = \"a\"}]"), "expected a number"));
  CHECK(contains(label_error("[{value = \"mxfp8\", label = \"a\"}, {value = \"fp8\", label = \"a\"}]"), "two values"));
  CHECK(contains(label_error("[{value = \"mxfp8\", label = \"bf16\"}, \"bf16\"]"), "two values"));
  CHECK(contains(label_error("[{value = \"mxfp8\", label = \"a\"}, \"mxfp8\"]"), "given twice"));
  // Only a sweep's values have labels.
  CHECK_THROWS_AS(parse_settings("[sweep]\nseed = [{value = 1, label = \"a\"}]", "s.toml"), ConfigError);
  CHECK_THROWS_AS(parse_sweep_settings("metrics.epsilons = [{value = 1, label = \"a\"}]", "s.toml"), ConfigError);
}

TEST_CASE("a value that a comma has torn apart is refused with the quotes that keep it", "[sweep]") {
  const std::string error = error_of({"precision.recipe=mxfp8:element=e5m3,block=16"});
  CHECK(contains(error, "a comma separates values"));
  CHECK(contains(error, "precision.recipe='\"mxfp8:element=e5m3,block=16\"'"));
  CHECK_FALSE(contains(error_of({"seed=1,x"}), "a comma separates values"));
  CHECK(plain_runs("", {"precision.recipe=\"mxfp8:element=e5m3,block=16\",bf16"}).size() == 2);
}
