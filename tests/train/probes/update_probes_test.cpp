// SPDX-License-Identifier: Apache-2.0
// Probes of the update against second models that compute the same thing the long way, from checkpoints.
#include "train/data/open_tokens.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "tests/support/catch.h"
#include "tests/support/log_groups.h"
#include "tests/support/tiny_run.h"
#include "train/run/model_weights.h"
#include "train/run/trainer.h"

using namespace precipice;
using test::tiny_config;
using test::values_of;

namespace {

constexpr std::int64_t kMeasuredStep = 6;

// A run up to step kMeasuredStep, which it then takes with every probe due.
struct MeasuredUpdate {
  explicit MeasuredUpdate(std::vector<std::string> assignments)
      : config(tiny_config(with_intervals(std::move(assignments)))), tokens(open_tokens(config)) {
    at::set_num_threads(1);  // as a run does; threads cost such small tensors more than they give
    Trainer trainer(config, *tokens);
    while (trainer.steps_done() < kMeasuredStep) trainer.step();
    before = trainer.checkpoint("id");
    rows = trainer.step();
    after = trainer.checkpoint("id");
    batch = tokens->training_batch(kMeasuredStep);
    model = make_model(config, tokens->vocabulary());
  }
  static std::vector<std::string> with_intervals(std::vector<std::string> assignments) {
    for (const char* key : {"critical", "sam", "noise"})
      assignments.push_back("metrics." + std::string(key) + "_every=" + std::to_string(kMeasuredStep));
    return assignments;
  }
  const std::vector<float>& array(const Checkpoint& checkpoint, std::size_t i) const {
    return checkpoint.arrays.at(i).values;
  }
  double loss(const Batch& of) const {
    const ForwardContext context{static_cast<std::uint64_t>(*config.precision.seed), kMeasuredStep};
    return forward_pass(*model, config, of, context).objective.item<float>();
  }
  // Weights become a + factor * b element by element, in double.
  template <class F>
  void set(const F& value) const {
    for (std::size_t i = 0; i < model->parameters().size(); ++i) {
      float* data = model->parameters()[i].value.mutable_data_ptr<float>();
      for (std::size_t k = 0; k < array(before, i).size(); ++k) data[k] = static_cast<float>(value(i, k));
    }
  }
  // Gradient at the present weights by a plain backward pass.
  std::vector<std::vector<double>> gradient(const Batch& of) const {
    for (const NamedParameter& p : model->parameters()) p.value.mutable_grad() = at::Tensor();
    const ForwardContext context{static_cast<std::uint64_t>(*config.precision.seed), kMeasuredStep};
    forward_pass(*model, config, of, context).objective.backward();
    std::vector<std::vector<double>> result;
    for (const NamedParameter& p : model->parameters()) {
      const at::Tensor g = p.value.grad().contiguous();
      result.emplace_back(g.const_data_ptr<float>(), g.const_data_ptr<float>() + g.numel());
    }
    return result;
  }

  RunConfig config;
  std::unique_ptr<TokenSource> tokens;
  Checkpoint before, after;
  std::vector<SeriesRow> rows;
  Batch batch;
  std::unique_ptr<Model> model;
};

double square(const std::vector<std::vector<double>>& g) {
  double sum = 0;
  for (const auto& part : g)
    for (const double x : part) sum += x * x;
  return sum;
}

}  // namespace

TEST_CASE("along the update the loss rises just beyond the critical learning rate, in every recipe and optimizer") {
  for (const char* way : {"optimizer.kind=adamw", "optimizer.kind=sgd", "precision.recipe=fp8", "model.kind=llama"}) {
    INFO(way);
    const MeasuredUpdate run({"precision.recipe=fp32", way, "train.z_loss=1e-2"});
    const auto v = values_of(run.rows, "critical");
    const double rate = values_of(run.rows, "metrics")[2];
    REQUIRE(v[3] == 0);  // found
    CHECK(v[0] == Approx(2 / v[1]).epsilon(1e-15));
    CHECK(v[2] >= 5);
    CHECK(v[2] <= 12);
    const auto loss_at = [&](double multiple) {
      run.set([&](std::size_t i, std::size_t k) {
        const double from = run.array(run.before, i)[k];
        return from + multiple * (run.array(run.after, i)[k] - from);
      });
      return run.loss(run.batch);
    };
    // The search ends in a bracket narrowed twice, and fp8 makes the loss a little rough.
    const double multiple = v[1] / rate, start = loss_at(0);
    CHECK(loss_at(0.9 * multiple) <= start);
    CHECK(loss_at(1.1 * multiple) > start);
  }
}

TEST_CASE("SAM sharpness is the rise at distance 0.05 along the gradient") {
  const MeasuredUpdate run({"precision.recipe=fp32"});
  run.set([&](std::size_t i, std::size_t k) { return run.array(run.before, i)[k]; });
  const double start = run.loss(run.batch);
  const auto g = run.gradient(run.batch);
  const double norm = std::sqrt(square(g));
  run.set([&](std::size_t i, std::size_t k) { return run.array(run.before, i)[k] + 0.05 * g[i][k] / norm; });
  const double rise = run.loss(run.batch) - start;
  CHECK(rise > 1e-3);
  // Losses near 3 in fp32 are known to 2e-7 each, their difference to 1e-6.
  CHECK(values_of(run.rows, "sam")[0] == Approx(rise).margin(1e-6));
}

TEST_CASE("the noise scale is that of the gradients of the batch's sequences") {
  for (const int batch : {4, 8}) {  // four parts of one sequence, of two
    INFO(batch);
    const MeasuredUpdate run({"precision.recipe=fp32", "train.batch=" + std::to_string(batch)});
    run.set([&](std::size_t i, std::size_t k) { return run.array(run.before, i)[k]; });
    double small = 0;
    const auto part = static_cast<std::ptrdiff_t>(run.config.model.context) * (batch / 4);
    for (std::ptrdiff_t s = 0; s < 4; ++s) {
      const auto cut = [&](const std::vector<std::int64_t>& x) {
        return std::vector<std::int64_t>(x.begin() + s * part, x.begin() + (s + 1) * part);
      };
      small += square(run.gradient({cut(run.batch.x), cut(run.batch.y)})) / 4;
    }
    const double big = square(run.gradient(run.batch));
    const double b = batch / 4.0, all = batch;
    const auto v = values_of(run.rows, "noise");
    // Gradients in fp32, whose squared norms are known to 1e-5; differences of such squares lose a digit.
    CHECK(v[1] == Approx((small - big) / (1 / b - 1 / all)).epsilon(1e-4));
    CHECK(v[2] == Approx((all * big - b * small) / (all - b)).epsilon(1e-3).margin(1e-4 * small));
  }
}

TEST_CASE("the edge-of-stability ratio is curvature times rate over the optimizer's threshold") {
  for (const char* kind : {"adamw", "sgd"}) {
    INFO(kind);
    const RunConfig config =
        tiny_config({"precision.recipe=fp32", std::string("optimizer.kind=") + kind, "metrics.edge_every=3"});
    at::set_num_threads(1);
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens);
    std::vector<SeriesRow> rows;
    while (trainer.steps_done() < 4) rows = trainer.step();  // the last one: step 3, after warm-up began
    const std::vector<double> edge = values_of(rows, "edge");
    const double rate = values_of(rows, "metrics")[2];
    REQUIRE(rate > 0);
    // (2 + 2 b1) / (1 - b1) and 2 + 2 momentum, both at 0.9.
    const double threshold = std::string(kind) == "adamw" ? 38 : 3.8;
    CHECK(edge[1] != 0);
    CHECK(edge[0] == Approx(edge[1] * rate / threshold).epsilon(1e-12));
  }
}

TEST_CASE("a loss scale is taken out of the gradients that probes compute") {
  const auto rows_of = [](const char* kind) {
    at::set_num_threads(1);
    const RunConfig config =
        tiny_config({"precision.recipe=fp32", std::string("loss_scale.kind=") + kind, "loss_scale.initial=1024",
                     "metrics.noise_every=2", "metrics.edge_every=2", "metrics.sam_every=2"});
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens);
    std::vector<SeriesRow> rows;
    while (trainer.steps_done() < 3) rows = trainer.step();
    return rows;
  };
  const std::vector<SeriesRow> scaled = rows_of("static"), plain = rows_of("none");
  for (const char* group : {"noise", "edge", "sam"}) {
    const std::vector<double> a = values_of(scaled, group), b = values_of(plain, group);
    // A power of two scales every product exactly but for what underflows in one of them.
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-4));
  }
}

TEST_CASE("a batch of one sequence has no noise scale") {
  const MeasuredUpdate run({"train.batch=1"});
  for (const double x : values_of(run.rows, "noise")) CHECK(std::isnan(x));
}

TEST_CASE("a run that has diverged gives NaN and the reason, not an exception") {
  const RunConfig config =
      tiny_config({"optimizer.lr=1e30", "optimizer.clip_norm=0", "divergence.stop=false", "metrics.critical_every=1",
                   "metrics.sam_every=1", "metrics.noise_every=1", "metrics.edge_every=1", "train.steps=6",
                   "metrics.gradient_error_every=1", "metrics.attention_every=1"});
  const auto tokens = open_tokens(config);
  Trainer trainer(config, *tokens);
  std::vector<SeriesRow> rows;
  while (trainer.steps_done() < config.train.steps) rows = trainer.step();
  CHECK(std::isnan(values_of(rows, "metrics")[0]));
  CHECK(std::isnan(values_of(rows, "critical")[0]));
  CHECK(values_of(rows, "critical")[3] == 3);
  CHECK(std::isnan(values_of(rows, "sam")[0]));
  CHECK(std::isnan(values_of(rows, "noise")[1]));
  CHECK(std::isnan(values_of(rows, "edge")[0]));
  for (const char* group : {"attention", "heads", "gradient_error"})
    for (const double x : values_of(rows, group)) CHECK(std::isnan(x));
}

TEST_CASE("a skipped update has no critical sharpness") {
  const RunConfig config = tiny_config({"loss_scale.kind=dynamic", "loss_scale.initial=1e30", "loss_scale.maximum=1e30",
                                        "precision.recipe=custom", "precision.dy=fp16", "precision.overflow=native"});
  const auto tokens = open_tokens(config);
  Trainer trainer(config, *tokens);
  const auto rows = trainer.step();
  REQUIRE(values_of(rows, "metrics")[7] == 1);
  CHECK(values_of(rows, "critical")[3] == 3);
}
