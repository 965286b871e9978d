// SPDX-License-Identifier: Apache-2.0
#include "experiments/bench/baseline.h"

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

// The ratios of three repetitions.
BenchRow row(const std::string& work, double low, double middle, double high) {
  return {work, "copy", 0, {low, middle, high}, {1, 1, 1}};
}

Baseline written(const BenchReport& report) {
  TemporaryDirectory dir;
  write_file_atomic(dir.path() / "bench.json", to_json(report));
  return read_baseline(dir.path() / "bench.json");
}

}  // namespace

TEST_CASE("a benchmark row is slower only where median and minimum both leave the spread of the row that was") {
  const Baseline baseline = written({1, {row("a", 0.9, 1.0, 1.2), row("b", 0.9, 1.0, 1.2), row("c", 0.9, 1.0, 1.2)}});
  CHECK(baseline.rows.size() == 3);
  // a: twice as slow; b: its median is higher, one repetition is not; c: as before, with a slow repetition.
  const Comparison now =
      compare_with(baseline, {1, {row("a", 1.9, 2.0, 2.1), row("b", 0.95, 1.3, 1.4), row("c", 0.9, 1.1, 3.0)}});
  REQUIRE(now.slower.size() == 1);
  CHECK(now.slower[0] == "a over copy: 2.00 (1.90 to 2.10), it was 1.00 (up to 1.20)");
  CHECK(now.compared == 3);
  CHECK(now.notes.empty());
}

TEST_CASE("a baseline of another machine and rows that it lacks are said") {
  Baseline baseline = written({1, {row("a", 0.9, 1.0, 1.2)}});
  baseline.cpu_model = "another";
  const Comparison now = compare_with(baseline, {1, {row("b", 1, 1, 1)}});
  REQUIRE(now.notes.size() == 2);
  CHECK_THAT(now.notes[0], Catch::StartsWith("the baseline was made on another"));
  CHECK(now.notes[1] == "the baseline has no row b over copy");
  CHECK(now.compared == 0);
}

TEST_CASE("a comparison with other threads or a quick baseline is said") {
  const Baseline baseline = written({2, {row("a", 0.9, 1.0, 1.2)}, true});
  const Comparison now = compare_with(baseline, {1, {row("a", 0.9, 1.0, 1.2)}});
  REQUIRE(now.notes.size() == 1);
  CHECK(now.notes[0] == "the baseline was made with 2 threads, quick, this with 1 thread");
  CHECK(now.compared == 1);
}

TEST_CASE("a row of one repetition has no spread and is not judged") {
  const BenchRow once{"a", "copy", 0, {1}, {1}}, slower{"a", "copy", 0, {2}, {1}};
  const Comparison now = compare_with(written({1, {once}}), {1, {slower}});
  CHECK(now.slower.empty());
  CHECK(now.compared == 0);
  REQUIRE(now.notes.size() == 1);
  CHECK(now.notes[0] == "a over copy has too few repetitions for a spread");
}

TEST_CASE("a file that is no benchmark is refused by name") {
  TemporaryDirectory dir;
  write_file_atomic(dir.path() / "x.json", "{\"rows\": []}");
  CHECK_THROWS_AS(read_baseline(dir.path() / "x.json"), DataError);
  CHECK_THROWS_AS(read_baseline(dir.path() / "none.json"), DataError);
}
