// SPDX-License-Identifier: Apache-2.0
// Claims from a sweep's file to their verdicts, by the program alone.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/integration/program.h"
#include "tests/support/catch.h"

using namespace precipice;
using Json = nlohmann::json;

namespace {

std::string claim(const std::string& id, const std::string& lines) {
  return "\n[[claim]]\nid = \"" + id + "\"\nsource = \"a test\"\nsays = \"in words\"\nliteral = true\n" + lines + "\n";
}

std::string file_with(const Workplace& place, const std::string& name, const std::string& claims) {
  std::ifstream config(place.config());
  std::ofstream(place.path(name)) << std::string(std::istreambuf_iterator<char>(config), {}) << claims;
  return place.path(name);
}

Json verdicts(const Workplace& place, const std::string& sweep) {
  const Json report = Json::parse(place.run({"claims", sweep, "--json"}).out);
  Json by_id;
  for (const Json& claim : report["claims"]) by_id[claim["id"].get<std::string>()] = claim;
  return by_id;
}

}  // namespace

TEST_CASE("claims of a sweep are stored before its runs and judged from its files", "[integration]") {
  Workplace place;
  const std::string same = claim("same", "metric = \"identical\"\ncompare = [\"e8m7\", \"bf16\"]\nn = 2");
  const std::string worse = claim(
      "worse",
      "paper = \"by a nat\"\nmetric = \"final_loss\"\ncompare = [\"e8m0\", \"bf16\"]\ndirection = \"higher\"\nn = 2");
  const std::vector<std::string> axes{"precision.recipe=bf16,e8m7,e8m0", "seed=range(0,2)"};
  const auto sweep = [&](const std::string& file, std::vector<std::string> more = {}) {
    std::vector<std::string> words{"sweep", file, axes[0], axes[1], "--quiet", "--out", place.path("s")};
    words.insert(words.end(), more.begin(), more.end());
    return place.run(words);
  };
  const ProgramResult planned = sweep(
      file_with(
          place, "a.toml",
          same + worse +
              claim("few", "metric = \"diverged\"\ncompare = [\"e8m0\", \"bf16\"]\ndirection = \"higher\"\nn = 2")),
      {"--dry-run"});
  CAPTURE(planned.err);
  CHECK(planned.exit_code == 0);
  CHECK(contains(planned.out, "claim few: 2 pairs cannot decide it"));
  CHECK_FALSE(contains(planned.out, "cannot be judged"));
  REQUIRE(sweep(file_with(place, "a.toml", same + worse)).exit_code == 0);
  Json judged = verdicts(place, place.path("s"));
  CHECK(judged["same"]["verdict"] == "identical");
  CHECK(judged["worse"]["pairs"] == 2);
  CHECK(judged["worse"]["changed"] == false);
  CHECK(judged["worse"]["paper"] == "by a nat");
  CHECK(judged["same"]["paper"] == "");
  CHECK(contains(place.run({"claims", place.path("s")}).out, "identical"));

  // Edited after the runs: judged, and marked. A new one is late.
  REQUIRE(sweep(file_with(place, "b.toml",
                          claim("worse",
                                "metric = \"final_loss\"\ncompare = [\"e8m0\", \"bf16\"]\ndirection = "
                                "\"higher\"\nmargin = 9\nn = 2") +
                              claim("new", "metric = \"identical\"\ncompare = [\"e8m0\", \"bf16\"]\nn = 2")))
              .exit_code == 0);
  judged = verdicts(place, place.path("s"));
  CHECK(judged["worse"]["changed"] == true);
  CHECK(judged["same"]["changed"] == false);
  CHECK(judged["new"]["late"] == true);
  CHECK(judged["new"]["verdict"] == "different");
}

TEST_CASE("a sweep without claims and a wrong claim are refused in one line", "[integration]") {
  Workplace place;
  REQUIRE(place.run({"sweep", place.config(), "seed=range(0,2)", "--quiet", "--out", place.path("s")}).exit_code == 0);
  const ProgramResult none = place.run({"claims", place.path("s")});
  CHECK(none.exit_code == 2);
  CHECK(contains(none.err, "has no claims"));
  const std::string wrong =
      file_with(place, "w.toml", claim("c", "metric = \"loss\"\ncompare = [\"a\", \"b\"]\nn = 2"));
  const ProgramResult refused = place.run({"sweep", wrong, "seed=range(0,2)", "--out", place.path("t")});
  CHECK(refused.exit_code == 2);
  CHECK(contains(refused.err, "claim.metric"));
  // Before any run, and in the same words when judged.
  const std::string placed =
      file_with(place, "p.toml",
                claim("c",
                      "metric = \"final_loss\"\ncompare = [\"0\", \"1\"]\ndirection = \"higher\"\nn = 2\n"
                      "paper = \"a number\"\nat = {\"phase\" = \"early\"}"));
  for (const char* way : {"--dry-run", "--quiet"}) {
    const ProgramResult early = place.run({"sweep", placed, "seed=range(0,2)", way, "--out", place.path("u")});
    CHECK(early.exit_code == 2);
    CHECK(contains(early.err, "claim.at = phase: is no key of a config"));
  }
  CHECK_FALSE(std::filesystem::exists(place.path("u")));
  const ProgramResult judged = place.run({"claims", place.path("s"), "--from", placed});
  CHECK(judged.exit_code == 2);
  CHECK(contains(judged.err, "claim.at = phase: is no key of a config"));
  CHECK(place.run({"claims", place.path("nowhere")}).exit_code == 2);
}
