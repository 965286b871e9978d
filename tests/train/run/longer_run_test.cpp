// SPDX-License-Identifier: Apache-2.0
// A run that is made longer against one that had that length from the start: run.h5 and the last checkpoint are the same
// bytes, whatever a run remembers between steps.
#include "train/run/longer_run.h"

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/tiny_run.h"
#include "train/analysis/run_evaluator.h"
#include "train/run/run.h"

using namespace precipice;
using test::tiny_config;
namespace fs = std::filesystem;

namespace {

RunConfig run_of_length(std::vector<std::string> words, std::int64_t steps, const std::string& schedule = "constant") {
  words.push_back("schedule.kind=" + schedule);
  words.push_back("train.steps=" + std::to_string(steps));
  return tiny_config(words);
}

RunStatus train_in(const RunConfig& config, const fs::path& directory, std::vector<std::int64_t> lengths = {}) {
  return execute_run({config, directory, "test", nullptr, {}, {}, std::move(lengths)});
}

std::string refused_because(const RunConfig& config, const fs::path& directory) {
  try {
    train_in(config, directory);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

// What remembers earlier steps: delayed scales, random streams, loss scales, averages of probes, compensations.
const std::vector<std::vector<std::string>> kRuns = {
    {"precision.recipe=te-delayed", "precision.rounding=sr"},
    {"precision.recipe=ms-amp-o2", "metrics.noise_every=3", "metrics.critical_every=4", "metrics.hessian_every=6"},
    {"precision.recipe=fp16-o1", "loss_scale.kind=dynamic", "loss_scale.window=3", "optimizer.kind=lion"},
    {"optimizer.weights=bf16-kahan", "optimizer.moment1=bf16-sr", "train.keep_checkpoints=[3,8]"}};

}  // namespace

TEST_CASE("a finished run whose train.steps is raised ends with the bytes of one long run", "[longer_run]") {
  for (const std::vector<std::string>& words : kRuns) {
    INFO(words.front());
    const TemporaryDirectory place;
    const RunConfig shorter = run_of_length(words, 12), longer = run_of_length(words, 21);
    const std::string loss = std::to_string(train_in(shorter, place / "run").final_loss);
    CHECK(train_in(longer, place / "run").step == 21);
    train_in(longer, place / "straight");
    CHECK(text_of(place / "run/run.h5") == text_of(place / "straight/run.h5"));
    CHECK(text_of(place / "run/metrics.jnl") == text_of(place / "straight/metrics.jnl"));
    CHECK(text_of(place / "run/ckpt/step_00000021.ckpt") == text_of(place / "straight/ckpt/step_00000021.ckpt"));
    CHECK(text_of(place / "run/config.toml") == to_toml(longer));
    CHECK(RunDirectory(place / "run").read_status()->run_id == run_id(longer));
    CHECK(contains(text_of(place / "run/log.txt"), "resumed at step 12"));
    CHECK_FALSE(loss.empty());
    // A second time there is nothing to do.
    CHECK(train_in(longer, place / "run").step == 21);
  }
}

TEST_CASE("what is no continuation is refused with the key that makes it none", "[longer_run]") {
  const TemporaryDirectory place;
  train_in(run_of_length({}, 6, "cosine"), place / "cosine");
  CHECK_THAT(refused_because(run_of_length({}, 9, "cosine"), place / "cosine"),
             Catch::Contains("train.steps is 6 there and 9 here") && Catch::Contains("schedule.kind = \"cosine\""));
  train_in(run_of_length({}, 6), place / "run");
  const std::string before = text_of(place / "run/run.h5");
  CHECK_THAT(refused_because(run_of_length({"seed=3"}, 9), place / "run"),
             Catch::Contains("seed is 0 there and 3 here"));
  CHECK_THAT(refused_because(run_of_length({}, 5), place / "run"), Catch::Contains("longer, not shorter"));
  const std::string rule = "precision.rules=['steps=:50% -> bf16']";
  train_in(run_of_length({rule, "precision.recipe=fp8"}, 6), place / "rule");
  CHECK_THAT(refused_because(run_of_length({rule, "precision.recipe=fp8"}, 9), place / "rule"),
             Catch::Contains("precision.rules"));
  CHECK(text_of(place / "run/run.h5") == before);
}

TEST_CASE("rules that count steps from the beginning do not keep a run from being made longer", "[longer_run]") {
  const TemporaryDirectory place;
  const std::vector<std::string> words{"precision.rules=['steps=:8 -> bf16']", "precision.recipe=fp8"};
  train_in(run_of_length(words, 6), place / "run");
  train_in(run_of_length(words, 11), place / "run");
  train_in(run_of_length(words, 11), place / "straight");
  CHECK(text_of(place / "run/run.h5") == text_of(place / "straight/run.h5"));
}

TEST_CASE("a kill in the middle of making a run longer leaves what the same command finishes", "[longer_run]") {
  const TemporaryDirectory place;
  const RunConfig shorter = run_of_length({}, 6), longer = run_of_length({}, 10);
  train_in(shorter, place / "run");
  continue_run(RunDirectory(place / "run"), shorter, Directory(place / "run"), longer);
  write_text(place / "run/config.toml", to_toml(shorter));  // as before the last of its writes
  CHECK(train_in(shorter, place / "run").step == 6);        // the shorter run is still there, finished
  CHECK(train_in(longer, place / "run").step == 10);
  train_in(longer, place / "straight");
  CHECK(text_of(place / "run/run.h5") == text_of(place / "straight/run.h5"));
}

TEST_CASE("a new run goes on from the longest of its neighbours, which stay as they are", "[longer_run]") {
  const TemporaryDirectory place;
  const auto in_sweep = [&](const RunConfig& config) { return place / run_id(config); };
  const RunConfig first = run_of_length({}, 4), second = run_of_length({}, 8), other = run_of_length({"seed=1"}, 9);
  const RunConfig longer = run_of_length({"train.keep_checkpoints=[10]"}, 12);
  for (const RunConfig& config : {first, second, other}) train_in(config, in_sweep(config));
  const std::string before = text_of(in_sweep(second) / "run.h5");
  train_in(longer, in_sweep(longer), {4, 8, 9, 12, 50});
  CHECK(contains(text_of(in_sweep(longer) / "log.txt"), "goes on from run " + run_id(second) + " of 8 steps"));
  train_in(longer, place / "straight");
  CHECK(text_of(in_sweep(longer) / "run.h5") == text_of(place / "straight/run.h5"));
  CHECK(text_of(in_sweep(second) / "run.h5") == before);
  CHECK(fs::exists(RunDirectory(in_sweep(longer)).checkpoint_file(10)));

  // A damaged neighbour costs only the steps that it would have saved.
  const RunConfig damaged = run_of_length({"seed=2"}, 4), anew = run_of_length({"seed=2"}, 7);
  train_in(damaged, in_sweep(damaged));
  write_text(RunDirectory(in_sweep(damaged)).checkpoint_file(4), "no checkpoint");
  train_in(anew, in_sweep(anew), {4});
  CHECK(contains(text_of(in_sweep(anew) / "log.txt"), "not continued from " + run_id(damaged)));
  train_in(anew, place / "anew");
  CHECK(text_of(in_sweep(anew) / "run.h5") == text_of(place / "anew/run.h5"));
}

TEST_CASE("checkpoints that a run keeps are those of shorter runs, can be evaluated, and stay when it is made longer",
          "[longer_run]") {
  const TemporaryDirectory place;
  const std::string kept = "train.keep_checkpoints=[7,3]";
  const std::vector<std::string> words{kept, "train.checkpoint_every=5"};
  train_in(run_of_length(words, 20), place / "run");
  CHECK((RunDirectory(place / "run").checkpoint_steps() == std::vector<std::int64_t>{3, 7, 15, 20}));
  train_in(run_of_length({}, 7), place / "seven");
  const auto weights = [&](const std::string& run, std::int64_t step) {
    EvaluationRequest request;
    request.run = place / run;
    RunEvaluator evaluator(request);
    evaluator.load(step);
    return evaluator.weights();
  };
  CHECK(weights("run", 7) == weights("seven", 7));
  train_in(run_of_length(words, 26), place / "run");
  CHECK((RunDirectory(place / "run").checkpoint_steps() == std::vector<std::int64_t>{3, 7, 25, 26}));
  CHECK(weights("run", 7) == weights("seven", 7));
  CHECK_THROWS_WITH(run_of_length({kept}, 6),
                    Catch::Contains("train.keep_checkpoints = ") && Catch::Contains("must not exceed train.steps = 6"));
  CHECK_THROWS_WITH(run_of_length({"train.keep_checkpoints=[3,3]"}, 6), Catch::Contains("must differ"));
  CHECK(run_id(run_of_length({"train.keep_checkpoints=[]"}, 6)) == run_id(run_of_length({}, 6)));
}
