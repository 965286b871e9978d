// SPDX-License-Identifier: Apache-2.0
// Sweeps whose runs were trained on different files under one path: not extended, not pooled, seen by verify.
#include "experiments/sweep/sweep_inputs.h"

#include "experiments/statistics/sweep_statistics.h"
#include "experiments/status/verify.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/planted_sweep.h"

using namespace precipice;
using namespace precipice::test;

namespace {

// Four seeds of a recipe trained on one file; `hash_of(seed)` is what their records say.
struct TextSweep {
  explicit TextSweep(const std::function<std::string(std::int64_t)>& hash_of) {
    write_text(corpus(), "now");
    write_planted_sweep(place.path(), settings("seed=range(0,4)"),
                        [this](const SweepRun&, std::size_t) { return quiet_run(random, 60); });
    for (const SweepRun& run : runs("seed=range(0,4)"))
      write_text(place / run.id / "inputs.json", "{\"inputs\": [{\"key\": \"data.path\", \"path\": \"" +
                                                     corpus().string() + "\", \"sha256\": \"" +
                                                     hash_of(run.config.seed) + "\"}]}");
  }
  std::filesystem::path corpus() const { return place / "corpus.txt"; }
  std::vector<std::string> settings(const std::string& seeds) const {
    return {"data.source=text", "data.path=" + corpus().string(), "train.steps=60", "optimizer.lr=1e-3", seeds};
  }
  std::vector<SweepRun> runs(const std::string& seeds) const {
    return expand_sweep(make_sweep({}, read_assignments(settings(seeds))));
  }
  std::mt19937_64 random{1};
  TemporaryDirectory place;
};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a sweep is not extended over a file that changed since its runs began", "[inputs]") {
  const TextSweep sweep([](std::int64_t) { return sha256_hex("now"); });
  const std::vector<SweepRun> more = sweep.runs("seed=range(4,6)");
  CHECK(error_of([&] { check_sweep_inputs(sweep.place.path(), more); }).empty());
  write_text(sweep.corpus(), "later");
  const std::string error = error_of([&] { check_sweep_inputs(sweep.place.path(), more); });
  CHECK(contains(error, "data.path = " + sweep.corpus().string() + ": this is not the file that "));
  CHECK(contains(error, sha256_hex("now") + " then, " + sha256_hex("later") + " now"));
  std::filesystem::remove(sweep.corpus());
  CHECK(error_of([&] { check_sweep_inputs(sweep.place.path(), more); }).empty());  // its runs will say so
}

TEST_CASE("runs of one config on different files are in different cells, and a note says so", "[inputs]") {
  const TextSweep same([](std::int64_t) { return sha256_hex("now"); });
  CHECK(sweep_statistics(read_sweep_data(same.place.path())).cells.size() == 1);
  const TextSweep mixed([](std::int64_t seed) { return sha256_hex(seed < 3 ? "now" : "later"); });
  const SweepData data = read_sweep_data(mixed.place.path());
  const std::string now = sha256_hex("now").substr(0, 8), later = sha256_hex("later").substr(0, 8);
  CHECK(data.formats == std::vector<std::string>{"bf16, sha256=" + now, "bf16, sha256=" + later});
  const auto found_statistics = sweep_statistics(data);
  const Json statistics = statistics_json(found_statistics);
  REQUIRE(statistics["cells"].size() == 2);
  CHECK(statistics["cells"][0]["runs"] == 3);
  CHECK(statistics["cells"][1]["runs"] == 1);
  const std::string note = statistics["notes"][0];
  CHECK(contains(note, "trained on different files (data.path, SHA-256 "));
  CHECK(contains(note, now));
  CHECK(contains(note, later));
}

TEST_CASE("verify compares a run's files with its record, and says what it cannot check", "[inputs]") {
  const TextSweep sweep([](std::int64_t) { return sha256_hex("now"); });
  const std::filesystem::path run = sweep.place / sweep.runs("seed=0")[0].id;
  const auto check_of_inputs = [&] {
    for (const FileCheck& check : check_run_files(run, ""))
      if (check.path.filename() == "inputs.json") return check;
    throw std::runtime_error("not checked");
  };
  CHECK(check_of_inputs().ok);
  CHECK(contains(check_of_inputs().message, "is the file that the run began with"));
  write_text(sweep.corpus(), "later");
  CHECK_FALSE(check_of_inputs().ok);
  CHECK(contains(check_of_inputs().message, sha256_hex("now") + " then, " + sha256_hex("later") + " now"));
  std::filesystem::remove(sweep.corpus());
  CHECK(check_of_inputs().ok);
  CHECK(check_of_inputs().unknown);
  CHECK(contains(check_of_inputs().message, "cannot be checked: it is not there"));
  std::filesystem::remove(run / "inputs.json");
  CHECK(check_of_inputs().unknown);
  CHECK(contains(check_of_inputs().message, "cannot be checked: the run has no hash of it"));
}
