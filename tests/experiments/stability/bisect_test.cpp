// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/bisect.h"

#include <nlohmann/json.hpp>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/made_run.h"

using namespace precipice;
using test::MadeRun;

namespace {

BisectResult bisected(const MadeRun& run, bool reverse = false, std::int64_t from = 0, std::size_t jobs = 1) {
  BisectRequest request;
  request.run = run.path();
  request.from = from;
  request.reverse = reverse;
  request.jobs = jobs;
  return bisect_run(request);
}

const BisectPart& part_of(const BisectResult& result, const std::string& kind, const std::string& name) {
  for (const BisectPart& part : result.parts)
    if (part.kind == kind && part.name == name) return part;
  FAIL("no part " + kind + " " + name);
  throw;
}

std::vector<std::string> deciding(const BisectResult& result, const std::string& kind) {
  std::vector<std::string> names;
  for (const BisectPart& part : result.parts)
    if (part.decides && part.kind == kind) names.push_back(part.name);
  return names;
}

std::string error_of(const BisectRequest& request) {
  try {
    bisect_run(request);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// fp32 but for the planted rules; trained fast enough that 40 steps tell.
std::vector<std::string> planted(const std::string& rules, std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"precision.recipe=fp32", "train.steps=40", "optimizer.lr=1e-2"};
  if (!rules.empty()) words.push_back("precision.rules=" + rules);
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

TEST_CASE("a gap that other parts make as large the other way is undecided") {
  const auto ending_at = [](double loss) {
    Replay replay;
    replay.final_loss = loss;
    return replay;
  };
  BisectResult result;
  result.own = ending_at(2.6), result.target = ending_at(2.5);
  result.parts = {{"site", "attn.qkv", "", ending_at(2.52)}, {"site", "mlp.up", "", ending_at(2.58)}};
  CHECK_THAT(judge(result, {}), Catch::Contains("site attn.qkv"));
  CHECK(result.parts[0].share == Approx(0.8));
  CHECK(result.parts[0].decides);
  result.parts.push_back({"site", "mlp.down", "", ending_at(2.66)});
  CHECK_THAT(judge(result, {}), Catch::StartsWith("undecided"));
  CHECK(result.parts[2].share == Approx(-0.6));
  CHECK_FALSE(result.parts[0].decides);
}

TEST_CASE("a planted culprit that makes the run diverge is named by site, layer and pass, both ways round") {
  // The format's largest value is 57344 * 2^-30 = 5e-5: nearly every activation becomes infinite there.
  const MadeRun run(planted("mlp.down layers=1 pass=fprop operand=x -> format=e5m2:bias=45 overflow=native"));
  for (const bool reverse : {false, true}) {
    INFO(reverse);
    const BisectResult result = bisected(run, reverse);
    INFO(result.verdict);
    REQUIRE(result.own.diverged());
    CHECK_FALSE(result.target.diverged());
    CHECK(result.reproduces_log);
    CHECK(deciding(result, "site") == std::vector<std::string>{"mlp.down"});
    CHECK(deciding(result, "layer") == std::vector<std::string>{"1"});
    CHECK(deciding(result, "pass") == std::vector<std::string>{"fprop"});
    CHECK(deciding(result, "operand") == std::vector<std::string>{"x"});
    CHECK(contains(result.verdict, "site mlp.down"));
    REQUIRE(result.own.not_finite);
    CHECK(result.own.not_finite->step == 0);
    CHECK(result.own.not_finite->site == "h.1.mlp.down");
    CHECK(result.own.not_finite->pass == "fprop");
    CHECK(result.own.not_finite->operand == "x");
    CHECK(result.own.not_finite->counts.overflowed > 0);
  }
}

TEST_CASE("a planted culprit that costs loss without divergence has nearly all of the difference") {
  // The LM head's activations, of size 1, are clipped to 448 * 2^-13 = 0.05: logits stay near zero.
  const MadeRun run(planted("lm_head operand=x -> format=e4m3:bias=20"));
  for (const bool reverse : {false, true}) {
    const BisectResult result = bisected(run, reverse);
    INFO(result.verdict);
    CHECK_FALSE(result.own.diverged());
    CHECK(deciding(result, "site") == std::vector<std::string>{"lm_head"});
    CHECK(deciding(result, "operand") == std::vector<std::string>{"x"});
    // fp32 with the culprit gone is the target itself, and the culprit alone is the run itself.
    CHECK(part_of(result, "site", "lm_head").share == 1);
    CHECK(part_of(result, "site", "mlp.up").share == 0);
    CHECK(part_of(result, "site", "mlp.up").unchanged);
    REQUIRE(result.own.saturated);
    CHECK(result.own.saturated->site == "lm_head");
    CHECK(result.own.saturated->step == 0);
    CHECK_FALSE(result.own.not_finite);
  }
}

TEST_CASE("a replay from a checkpoint goes on with the bits of the run, on any number of threads") {
  const MadeRun run({"precision.recipe=fp8", "precision.rounding=sr", "train.checkpoint_every=10"});
  const BisectResult one = bisected(run, false, 10), three = bisected(run, false, 10, 3);
  CHECK(one.steps == 10);
  CHECK(one.logged == 10);
  CHECK(one.reproduces_log);
  BisectRequest request;
  CHECK(bisect_json(one, request) == bisect_json(three, request));
  CHECK_FALSE(part_of(one, "site", "mlp.up").unchanged);
}

TEST_CASE("what happens between the matmuls is a part of its own") {
  const MadeRun run(planted("", {"precision.vector=e2m1"}));
  const BisectResult result = bisected(run);
  INFO(result.verdict);
  CHECK(deciding(result, "between") == std::vector<std::string>{"matmuls"});
  CHECK(deciding(result, "site").empty());
}

TEST_CASE("a run that fp32 does not save, and one that loses nothing, are not blamed on any part") {
  const MadeRun hot(planted("lm_head -> bf16", {"optimizer.lr=1e30"}));
  const BisectResult diverged = bisected(hot);
  CHECK(contains(diverged.verdict, "precision does not decide"));
  CHECK(deciding(diverged, "site").empty());
  REQUIRE(diverged.own.not_finite);
  const MadeRun fine(planted("lm_head -> bf16", {"optimizer.lr=1e-4"}));
  CHECK(contains(bisected(fine).verdict, "undecided"));
}

TEST_CASE("steps that are not there, targets that are not known and an ended run are refused in one line") {
  const MadeRun run({});
  BisectRequest request;
  request.run = run.path();
  request.from = 7;
  CHECK(contains(error_of(request), "checkpoint = 7: "));
  CHECK(contains(error_of(request), "has checkpoints of the steps 20; 0 takes the initial weights"));
  request.from = 20;
  CHECK(contains(error_of(request), "nothing is left of train.steps = 20"));
  request.from = 0;
  request.steps = 21;
  CHECK(error_of(request) == "steps = 21: must be from 1 to 20: train.steps = 20");
  request.steps = 2;
  request.to = "fp16";
  CHECK(error_of(request) == "to = fp16: must be one of fp32, bf16");
  request.to = "bf16";
  request.run = run.dir / "none";
  CHECK(contains(error_of(request), "not a run directory"));
}
