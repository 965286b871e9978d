// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/run_evaluator.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/made_run.h"
#include "tests/support/paths.h"
#include "train/model/weights_file.h"
#include "train/run/model_weights.h"

using namespace precipice;
using test::MadeRun;

namespace {

EvaluationRequest of(const MadeRun& run) {
  EvaluationRequest request;
  request.run = run.path();
  return request;
}

bool same_number(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

void write_tokens(const std::filesystem::path& path, const std::vector<std::int32_t>& tokens) {
  write_text(path, std::string(reinterpret_cast<const char*>(tokens.data()), 4 * tokens.size()));
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::map<std::string, std::string> files_of(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) files[entry.path().string()] = text_of(entry.path());
  return files;
}

}  // namespace

TEST_CASE("the loss at a checkpoint has the bits of the run's own validation loss, in every kind of recipe") {
  // Stochastic rounding, delayed scales, block scales, rules that change with the step, a Llama.
  const std::vector<std::vector<std::string>> runs = {
      {},
      {"precision.recipe=fp8", "precision.rounding=sr"},
      {"precision.recipe=te-delayed"},
      {"precision.recipe=mxfp8"},
      {"precision.rules=steps=:10 -> high; steps=15: -> fp8"},
      {"model.kind=llama", "precision.vector=bf16", "train.z_loss=0.1"}};
  for (std::vector<std::string> words : runs) {
    words.push_back("train.checkpoint_every=10");
    INFO(words[0]);
    const MadeRun run(words);
    RunEvaluator evaluator(of(run));
    CHECK(evaluator.steps_with_weights() == std::vector<std::int64_t>{0, 10, 20});
    for (const std::int64_t step : {0, 10, 20}) {
      evaluator.load(step);
      REQUIRE(run.validation_loss(step));
      CHECK(same_number(evaluator.loss(evaluator.weights()), *run.validation_loss(step)));
    }
  }
}

TEST_CASE("reading a run changes no file in it and takes no lock") {
  const MadeRun run({});
  const auto before = files_of(run.path());
  RunEvaluator evaluator(of(run));
  evaluator.load(20);
  evaluator.gradient(evaluator.weights());
  CHECK(files_of(run.path()) == before);
}

TEST_CASE("a second evaluator of the same weights gives the same bits after the checkpoint's file has gone") {
  const MadeRun run({"precision.recipe=te-delayed"});
  RunEvaluator evaluator(of(run));
  evaluator.load(20);
  std::filesystem::remove_all(run.path() / "ckpt");
  RunEvaluator second(evaluator);
  CHECK(same_number(second.loss(second.weights()), *run.validation_loss(20)));
}

TEST_CASE("the gradient is the slope of the loss along itself, and the batches' mean") {
  const MadeRun run({"precision.recipe=fp32"});
  RunEvaluator evaluator(of(run));
  evaluator.load(20);
  const LossGradient at = evaluator.gradient(evaluator.weights());
  CHECK(same_number(at.loss, evaluator.loss(evaluator.weights())));
  double squares = 0;
  for (const float g : at.gradient) squares += double{g} * g;
  const double norm = std::sqrt(squares);
  const auto loss_at = [&](double h) {
    std::vector<float> moved = evaluator.weights();
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += static_cast<float>(h / norm * at.gradient[i]);
    return evaluator.loss(moved);
  };
  // Error h^2 f''' / 6 and losses rounded to 3e-7 over 2h = 0.02.
  CHECK((loss_at(0.01) - loss_at(-0.01)) / 0.02 == Approx(norm).epsilon(1e-3).margin(5e-5));
}

TEST_CASE("another recipe is evaluated at the same weights, and its delayed scales follow from one pass") {
  const MadeRun run({"precision.recipe=fp32"});
  EvaluationRequest request = of(run);
  const auto loss_under = [&](const std::string& recipe) {
    request.recipe = recipe;
    RunEvaluator evaluator(request);
    evaluator.load(20);
    return evaluator.loss(evaluator.weights());
  };
  const double fp32 = *run.validation_loss(20);
  CHECK(same_number(loss_under("fp32"), fp32));
  for (const char* recipe : {"bf16", "mxfp8", "te-delayed"}) {
    INFO(recipe);
    CHECK_FALSE(same_number(loss_under(recipe), fp32));
    // Three mantissa bits change logits near 1 by a few percent: far below the losses' 0.3.
    CHECK(loss_under(recipe) == Approx(fp32).margin(0.1));
  }
  CHECK(contains(error_of([&] { loss_under("mxfp9"); }), "recipe = mxfp9: did you mean mxfp8? It must be one of"));
}

TEST_CASE("given tokens take the validation batches' place, and need no data set") {
  const MadeRun run({"data.source=text", "data.path=" + source_directory() + "/README.md"});
  std::vector<std::int32_t> tokens;
  for (std::int32_t i = 0; i < 3 * 17; ++i) tokens.push_back((i * i + 40) % 256);
  write_tokens(run.dir / "tokens.i32", tokens);
  EvaluationRequest request = of(run);
  request.given = GivenTokens{run.dir / "tokens.i32", 3};
  RunEvaluator evaluator(request);
  REQUIRE(evaluator.batches().size() == 1);
  const Batch& batch = evaluator.batches()[0];
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t t = 0; t < 16; ++t) {
      CHECK(batch.x[row * 16 + t] == tokens[row * 17 + t]);
      CHECK(batch.y[row * 16 + t] == tokens[row * 17 + t + 1]);
    }
  evaluator.load(20);
  CHECK(std::isfinite(evaluator.loss(evaluator.weights())));

  request.given->batch = 2;
  CHECK(contains(error_of([&] { RunEvaluator bad(request); }), "204 bytes; int32 tokens of shape"));
  tokens[5] = 256;
  write_tokens(run.dir / "tokens.i32", tokens);
  request.given->batch = 3;
  CHECK(contains(error_of([&] { RunEvaluator bad(request); }), "token 256 at position 5"));
}

TEST_CASE("a run of no steps made with init.from is evaluated at those weights") {
  const MadeRun first({});
  RunEvaluator source(of(first));
  source.load(20);
  const auto model = make_model(first.config, first.config.data.vocabulary);
  model->load(checkpoint_parameters(read_checkpoint(checkpoint_path(first.path() / "ckpt", 20), run_id(first.config))));
  write_weights(first.dir / "weights.h5", model->weights());
  const MadeRun second({"train.steps=0", "init.from=" + (first.dir / "weights.h5").string()});
  RunEvaluator evaluator(of(second));
  evaluator.load(0);
  CHECK(evaluator.weights() == source.weights());
  CHECK(same_number(evaluator.loss(evaluator.weights()), *second.validation_loss(0)));
}

TEST_CASE("a diverged run's weights give NaN and name their first parameter that is not finite") {
  const MadeRun run({"optimizer.lr=1e30"});
  RunEvaluator evaluator(of(run));
  const std::int64_t last = evaluator.steps_with_weights().back();
  evaluator.load(last);
  CHECK_FALSE(std::isfinite(evaluator.loss(evaluator.weights())));
  CHECK(evaluator.first_non_finite() == "transformer.wte.weight");
  evaluator.load(0);
  CHECK(evaluator.first_non_finite().empty());
}

TEST_CASE("what is not there is said in one line") {
  const MadeRun run({});
  RunEvaluator evaluator(of(run));
  CHECK(contains(error_of([&] { evaluator.load(7); }),
                 "checkpoint = 7: " + run.path().string() + " has checkpoints of the steps 20; 0 takes"));
  EvaluationRequest nowhere;
  nowhere.run = run.dir / "nothing";
  CHECK(contains(error_of([&] { RunEvaluator bad(nowhere); }), "not a run directory: it has no config.toml"));
}
