// SPDX-License-Identifier: Apache-2.0
#include "experiments/bench/bench.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

using namespace precipice;

namespace {

BenchRow row(const std::string& work, double ratio, double limit) {
  BenchRow made;
  made.work = work, made.reference = "arithmetic x 45.3", made.limit = limit;
  for (const double noise : {0.9, 1.0, 1.5}) made.ours.push_back(ratio * noise), made.theirs.push_back(1.0);
  return made;
}

}  // namespace

TEST_CASE("a row above its limit is a fault that is named with its ratio; one at it, or without a limit, is none") {
  const BenchReport report{
      1, {row("width x 8", 58.2, 2), row("layers x 8", 2.0, 2), row("a goal missed", 90, 0), row("no time", NAN, 2)}};
  const std::vector<std::string> faults = bench_faults(report);
  REQUIRE(faults.size() == 2);
  CHECK(faults[0] == "width x 8 takes 58.20 times arithmetic x 45.3; at most 2 is allowed");
  CHECK_THAT(faults[1], Catch::StartsWith("no time"));
  const auto json = nlohmann::json::parse(to_json(report));
  CHECK(json["rows"][0]["limit"] == 2);
  CHECK(json["rows"][2]["limit"].is_null());
  CHECK(json["onednn_version"].is_string());
}
