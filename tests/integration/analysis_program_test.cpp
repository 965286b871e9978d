// SPDX-License-Identifier: Apache-2.0
// precipice merge, label, warn and stats from the command line, on a small sweep that the program trained.
#include <sys/wait.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;
using Json = nlohmann::json;

TEST_CASE("merge, label and warn read a trained sweep, change no run, and agree with status", "[integration]") {
  Workplace place;
  // At a rate of 1e6 the loss is no number, or has risen for good, within the first steps.
  const ProgramResult swept =
      place.run({"sweep", place.config(), "precision.recipe=bf16,fp8", "optimizer.lr=1e-3,1e6", "seed=range(0,2)",
                 "divergence.patience=5", "--quiet", "--out", place.path("s")});
  CAPTURE(swept.err);
  REQUIRE(swept.exit_code == 0);
  auto before = snapshot(place.path("s"));
  const ProgramResult merged = place.run({"merge", place.path("s"), "--json"});
  CAPTURE(merged.err);
  REQUIRE(merged.exit_code == 0);
  auto after = snapshot(place.path("s"));
  const std::string index_path = place.path("s") + "/index.h5", index = after.at(index_path);
  CHECK(before.at(index_path) == index);  // the sweep had left it
  before.erase(index_path);
  after.erase(index_path);
  CHECK(before == after);
  CHECK(place.run({"merge", place.path("s")}).exit_code == 0);
  CHECK(snapshot(place.path("s")).at(index_path) == index);

  const Json status = Json::parse(place.run({"status", place.path("s"), "--json"}).out);
  const Json labels = Json::parse(place.run({"label", place.path("s"), "--json"}).out);
  REQUIRE(labels["labels"].size() == 8);
  int diverged = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(labels["labels"][i]["run"] == status["runs"][i]["id"]);
    CHECK(labels["labels"][i]["step"] == status["runs"][i]["divergence_step"]);
    diverged += status["runs"][i]["divergence_step"] >= 0;
  }
  CHECK(diverged == 4);
  const Json both = Json::parse(place.run({"merge", place.path("s"), "--no-index", "--json", "--labels", "all"}).out);
  CHECK(both["labels"] == Json::parse(place.run({"label", place.path("s"), "--json", "--rule", "all"}).out));
  CHECK(both["cells"] == Json::parse(merged.out)["cells"]);
  int counted = 0;
  const Json statistics = Json::parse(merged.out);
  for (const Json& cell : statistics["cells"]) counted += cell["diverged"]["events"].get<int>();
  CHECK(counted == diverged);
  const ProgramResult warned = place.run({"warn", place.path("s"), "--horizon", "0,2"});
  CHECK(warned.exit_code == 0);
  CHECK(contains(warned.out, "n too small: "));
  CHECK(contains(place.run({"label", place.path("s"), "--rule", "all"}).out,
                 "systems-scaling: 0 yes, 0 no, 8 undecided"));
}

TEST_CASE("the analysis commands refuse what they cannot use with the exit code of its kind", "[integration]") {
  Workplace place;
  CHECK(place.run({"label", place.path("nowhere")}).exit_code == 2);
  CHECK(place.run({"merge", place.path("")}).exit_code == 2);
  CHECK(place.run({"merge", place.path(""), "--labels", "none"}).exit_code == 2);
  CHECK(place.run({"warn", place.path(""), "--horizon", "-1"}).exit_code == 2);
  CHECK(place.run({"stats"}).exit_code == 2);
  write_text(place.path("request"), R"({"counts": [{"name": "a", "events": 18, "trials": 188}]})");
  const std::string program = "'" + program_path() + "' stats --json";
  const std::string files = " > '" + place.path("out") + "' 2> '" + place.path("err") + "'";
  CHECK(WEXITSTATUS(std::system((program + " < '" + place.path("request") + "'" + files).c_str())) == 0);
  CHECK(Json::parse(text_of(place.path("out")))["counts"]["groups"][0]["wilson"][0].get<double>() ==
        Approx(0.0614).margin(5e-5));  // as published, four decimals
  CHECK(WEXITSTATUS(std::system((program + " < /dev/null" + files).c_str())) == 4);
  CHECK(contains(text_of(place.path("err")), "standard input: no JSON"));
  CHECK(count_lines(text_of(place.path("err"))) == 1);
}

TEST_CASE("a dry run ends with what the sweep's seeds can tell apart", "[integration]") {
  Workplace place;
  const ProgramResult plan = place.run(
      {"sweep", place.config(), "precision.recipe=bf16,fp8", "seed=range(0,8)", "--dry-run", "--out", place.path("s")});
  CHECK(plan.exit_code == 0);
  CHECK(contains(plan.out, "power       8 seeds a cell, 2 cells: 0 % against "));
}
