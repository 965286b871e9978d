// SPDX-License-Identifier: Apache-2.0
// sweep --pack, pack and unpack from the command line: every command finds in a bundle what it found in directories.
#include <nlohmann/json.hpp>

#include "tests/integration/program.h"
#include "tests/support/catch.h"

using namespace precipice;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> sweep_of(const Workplace& place, const std::string& name, std::vector<std::string> more) {
  std::vector<std::string> words{"sweep",   place.config(), "precision.recipe=bf16,fp8",
                                 "--quiet", "--out",        place.path(name)};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> bundles(const Workplace& place, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(place.path(name) + "/packed")) names.push_back(entry.path().string());
  return names;
}

// Of all that may differ between equal sweeps: times and hosts.
Json states(const Workplace& place, const std::string& name) {
  Json states = Json::array();
  const Json status = Json::parse(place.run({"status", place.path(name), "--json"}).out);
  for (const Json& run : status["runs"]) states.push_back({run["id"], run["state"], run["step"], run["loss"]});
  return states;
}

}  // namespace

TEST_CASE("a sweep that packs its runs is read by every command as one that does not", "[integration]") {
  Workplace place;
  REQUIRE(place.run(sweep_of(place, "loose", {"seed=0..1"})).exit_code == 0);
  const ProgramResult packed = place.run(sweep_of(place, "packed_one", {"seed=0..1", "--pack"}));
  CAPTURE(packed.err);
  REQUIRE(packed.exit_code == 0);
  CHECK(contains(packed.out + packed.err, "packed 4 runs, "));
  REQUIRE(bundles(place, "packed_one").size() == 1);
  std::size_t entries = 0;
  for (const auto& entry : fs::directory_iterator(place.path("packed_one"))) entries += !entry.path().empty();
  CHECK(entries == 4);  // sweep.toml, index.h5, packed, shards

  CHECK(states(place, "packed_one") == states(place, "loose"));
  CHECK(text_of(place.path("packed_one/index.h5")) == text_of(place.path("loose/index.h5")));
  Json merged[2];
  for (int i = 0; i < 2; ++i) {
    merged[i] = Json::parse(place.run({"merge", place.path(i ? "loose" : "packed_one"), "--json"}).out);
    merged[i].erase("directory");
  }
  CHECK(merged[0] == merged[1]);
  CHECK(contains(place.run({"verify", place.path("packed_one")}).out, "4 runs, 4 intact, 0 damaged"));
  const std::string id = states(place, "loose")[0][0];
  const std::string run = place.path("packed_one/" + id);
  CHECK(contains(place.run({"verify", run}).out, "has the "));
  CHECK(place.run({"export", run, "--out", place.path("a.safetensors")}).exit_code == 0);
  CHECK(place.run({"export", place.path("loose/" + id), "--out", place.path("b.safetensors")}).exit_code == 0);
  CHECK(text_of(place.path("a.safetensors")) == text_of(place.path("b.safetensors")));
  const ProgramResult refused = place.run({"train", run});
  CHECK(refused.exit_code == 2);
  CHECK(contains(refused.err, "this run is packed; precipice unpack"));

  // The same sweep again has nothing to do; a further seed joins the bundle.
  const auto before = snapshot(place.path("packed_one"));
  REQUIRE(place.run(sweep_of(place, "packed_one", {"seed=0..1", "--pack"})).exit_code == 0);
  CHECK(snapshot(place.path("packed_one")) == before);
  REQUIRE(place.run(sweep_of(place, "packed_one", {"seed=2", "--pack"})).exit_code == 0);
  CHECK(bundles(place, "packed_one").size() == 1);
  REQUIRE(place.run(sweep_of(place, "loose", {"seed=2"})).exit_code == 0);
  CHECK(states(place, "packed_one") == states(place, "loose"));

  REQUIRE(place.run({"unpack", place.path("packed_one")}).exit_code == 0);
  CHECK(bundles(place, "packed_one").empty());
  CHECK(text_of(run + "/run.h5") == text_of(place.path("loose/" + id + "/run.h5")));
  CHECK(contains(place.run({"verify", place.path("packed_one")}).out, "6 runs, 6 intact"));
}

TEST_CASE("a bundle that is cut short stops every command with one line that names it, and pack and unpack say why",
          "[integration]") {
  Workplace place;
  REQUIRE(place.run(sweep_of(place, "s", {"seed=0..1"})).exit_code == 0);
  CHECK(contains(place.run({"pack", place.path("s")}).out, "4 runs, 4 packed"));
  const std::string bundle = bundles(place, "s").at(0);
  fs::resize_file(bundle, fs::file_size(bundle) / 2);
  for (const std::string command : {"status", "merge", "verify", "label", "pack"}) {
    const ProgramResult result = place.run({command, place.path("s")});
    CAPTURE(command, result.out);
    CHECK(result.exit_code == 4);
    CHECK(count_lines(result.err) == 1);
    CHECK(contains(result.err, bundle));
    CHECK(contains(result.err, "runs in it are whole"));
  }
  // Nothing is trained anew in silence.
  CHECK(place.run(sweep_of(place, "s", {"seed=0..1"})).exit_code == 4);
  CHECK(place.run({"unpack", place.path("s")}).exit_code == 4);
  fs::remove(bundle);
  CHECK(place.run(sweep_of(place, "s", {"seed=0..1"})).exit_code == 0);
  CHECK(contains(place.run({"verify", place.path("s")}).out, "4 runs, 4 intact"));
  CHECK(place.run({"pack", place.path("nowhere")}).exit_code == 2);
}
