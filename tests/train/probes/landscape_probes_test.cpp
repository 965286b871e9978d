// SPDX-License-Identifier: Apache-2.0
// Sharpness and Hessian in fp32 beside a run of coarse precision: against a second model at the same weights whose
// forward pass is plain ATen code, the box's formula in long double, and the dense Hessian by central differences.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "tests/support/catch.h"
#include "tests/support/log_groups.h"
#include "tests/support/made_run.h"
#include "train/data/open_tokens.h"
#include "train/model/architectures.h"
#include "train/probes/all_probes.h"
#include "train/run/trainer.h"

using namespace precipice;
using test::small_gpt;
using test::tiny_config;

namespace {

constexpr std::int64_t kLookedAt = 4;

std::vector<std::string> every_probe_at_that_step(std::vector<std::string> words) {
  for (const char* interval : {"sharpness", "fp32_sharpness", "centred_sharpness", "hessian", "sam"})
    words.push_back("metrics." + std::string(interval) + "_every=" + std::to_string(kLookedAt));
  return words;
}

// A run at step kLookedAt: its rows there, and a model in fp32 with the weights before that step's update.
struct Looked {
  explicit Looked(const std::vector<std::string>& words)
      : config(tiny_config(every_probe_at_that_step(words))), tokens(open_tokens(config)) {
    Trainer trainer(config, *tokens);
    groups = trainer.groups();
    while (trainer.steps_done() < kLookedAt) trainer.step();
    const Checkpoint before = trainer.checkpoint("id");
    rows = trainer.step();
    batch = tokens->training_batch(kLookedAt);
    model = make_model(config.model, config.init, tokens->vocabulary(),
                       PrecisionPolicy(config.model.layers, config.model.kind->block_sites));
    for (std::size_t i = 0; i < model->parameters().size(); ++i)
      std::copy(before.arrays[i].values.begin(), before.arrays[i].values.end(),
                model->parameters()[i].value.mutable_data_ptr<float>());
  }

  double value(const std::string& group, const std::string& series) const {
    for (const SeriesRow& row : rows) {
      if (groups[row.group].name != group) continue;
      for (std::size_t s = 0; s < groups[row.group].series.size(); ++s)
        if (groups[row.group].series[s].name == series) return row.values[s];
    }
    FAIL("no " << group << "/" << series);
    return 0;
  }

  at::Tensor integers(const std::vector<std::int64_t>& values, std::int64_t rows_of) const {
    const auto size = static_cast<std::int64_t>(values.size());
    return at::from_blob(const_cast<std::int64_t*>(values.data()), {rows_of, size / rows_of}, at::kLong).clone();
  }
  std::int64_t sequences() const { return config.train.batch; }

  // By the operations that autograd differentiates twice, not those of training.
  at::Tensor plain_logits() const {
    ForwardContext context;
    context.plain = true;
    return model->forward(integers(batch.x, sequences()), context);
  }

  RunConfig config;
  std::unique_ptr<TokenSource> tokens;
  std::vector<SeriesGroup> groups;
  std::vector<SeriesRow> rows;
  Batch batch;
  std::shared_ptr<Model> model;
};

// 100 rise / (1 + loss) of one token by its definition: the corner of the box, in long double.
long double sharpness_by_hand(const std::vector<long double>& z, std::size_t target, long double epsilon) {
  const auto loss = [&](const std::vector<long double>& at) {
    long double sum = 0;
    for (const long double value : at) sum += std::exp(value - at[target]);
    return std::log(sum);
  };
  std::vector<long double> corner = z;
  for (std::size_t i = 0; i < z.size(); ++i) corner[i] += (i == target ? -1 : 1) * epsilon * (std::abs(z[i]) + 1);
  return 100 * (loss(corner) - loss(z)) / (1 + loss(z));
}

// Mean over all tokens; `centred`: of z - mean z.
double mean_by_hand(const Looked& run, bool centred, double epsilon) {
  const at::Tensor logits = run.plain_logits().detach().contiguous();
  const auto width = static_cast<std::size_t>(logits.size(1)), tokens = static_cast<std::size_t>(logits.size(0));
  long double sum = 0;
  for (std::size_t t = 0; t < tokens; ++t) {
    const float* row = logits.const_data_ptr<float>() + t * width;
    std::vector<long double> z(row, row + width);
    long double mean = 0;
    for (const long double value : z) mean += value / static_cast<long double>(width);
    if (centred)
      for (long double& value : z) value -= mean;
    sum += sharpness_by_hand(z, static_cast<std::size_t>(run.batch.y[t]), epsilon);
  }
  return static_cast<double>(sum / static_cast<long double>(tokens));
}

// d loss / d w by one plain backward pass, flat.
std::vector<double> gradient_of(const Looked& run) {
  for (const NamedParameter& p : run.model->parameters()) p.value.mutable_grad() = at::Tensor();
  cross_entropy(run.plain_logits(), run.integers(run.batch.y, 1).view({-1})).backward();
  std::vector<double> flat;
  for (const NamedParameter& p : run.model->parameters()) {
    const at::Tensor g = p.value.grad().contiguous();
    flat.insert(flat.end(), g.const_data_ptr<float>(), g.const_data_ptr<float>() + g.numel());
  }
  return flat;
}

// Eigenvalues, ascending, of the Hessian by central differences of the gradient, column by column.
std::vector<double> dense_spectrum(const Looked& run) {
  constexpr float kStep = 2e-3f;
  std::vector<std::vector<double>> columns;
  for (const NamedParameter& p : run.model->parameters())
    for (std::int64_t i = 0; i < p.value.numel(); ++i) {
      float* weight = p.value.mutable_data_ptr<float>() + i;
      const float w = *weight;
      *weight = w + kStep;
      columns.push_back(gradient_of(run));
      *weight = w - kStep;
      const std::vector<double> below = gradient_of(run);
      *weight = w;
      const double width = double{w + kStep} - double{w - kStep};
      for (std::size_t k = 0; k < below.size(); ++k) columns.back()[k] = (columns.back()[k] - below[k]) / width;
    }
  const auto size = static_cast<std::int64_t>(columns.size());
  at::Tensor h = at::zeros({size, size}, at::kDouble);
  for (std::int64_t i = 0; i < size; ++i)
    for (std::int64_t j = 0; j < size; ++j) {
      const auto a = static_cast<std::size_t>(i), b = static_cast<std::size_t>(j);
      h.mutable_data_ptr<double>()[i * size + j] = (columns[a][b] + columns[b][a]) / 2;
    }
  const at::Tensor values = std::get<0>(at::linalg_eigh(h)).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + size};
}

}  // namespace

TEST_CASE("in a run that rounds nothing the sharpness in fp32 is the run's own in every bit", "[landscape]") {
  const Looked run({"precision.recipe=fp32"});
  for (const char* series : {"last_token_eps1e-3", "last_token_mean_loss_eps1e-3", "all_tokens_eps1e-3",
                             "all_tokens_mean_loss_eps1e-3", "all_tokens_eps5e-4"})
    CHECK(run.value("fp32_sharpness", series) == run.value("sharpness", series));
  CHECK(run.value("fp32_sharpness", "own_minus_fp32_all_tokens_eps1e-3") == 0);
  CHECK(run.value("fp32_sharpness", "own_minus_fp32_last_token_eps5e-4") == 0);
  CHECK(run.value("fp32_sharpness", "centred_all_tokens_eps1e-3") ==
        run.value("centred_sharpness", "all_tokens_eps1e-3"));
  CHECK(run.value("fp32_sharpness", "loss") == run.value("metrics", "train_loss"));
  // The ascent steps along gradients whose sums differ in order: a few 2^-24 of a loss of 3, beside a rise of 0.01.
  CHECK(run.value("hessian", "sam_sharpness") == Approx(run.value("sam", "sam_sharpness")).margin(2e-6));
}

TEST_CASE("beside a coarse run the values are those of its weights in fp32, by the definition in long double",
          "[landscape]") {
  const Looked run({"precision.recipe=e8m1"});
  for (const double epsilon : {1e-3, 5e-4}) {
    const std::string eps = "_eps" + epsilon_name(epsilon);
    // Logits of size 0.3 differ by the order of sums of 16 terms, 1e-7; the sharpness by 1e-6 of itself.
    CHECK(run.value("fp32_sharpness", "all_tokens" + eps) == Approx(mean_by_hand(run, false, epsilon)).epsilon(2e-6));
    CHECK(run.value("fp32_sharpness", "centred_all_tokens" + eps) ==
          Approx(mean_by_hand(run, true, epsilon)).epsilon(2e-6));
    const double own = run.value("sharpness", "all_tokens" + eps),
                 exact = run.value("fp32_sharpness", "all_tokens" + eps);
    CHECK(run.value("fp32_sharpness", "own_minus_fp32_all_tokens" + eps) == own - exact);
    CHECK(std::abs(own - exact) > 1e-5 * exact);  // a mask of one bit is seen
  }
  CHECK(run.value("fp32_sharpness", "loss") != run.value("metrics", "train_loss"));
}

TEST_CASE("the online Hessian has the top eigenvalue and the trace of the dense one in fp32", "[landscape]") {
  const Looked run(small_gpt({"precision.recipe=e8m3", "optimizer.lr=1e-2", "model.norm_eps=0.2"}));
  const std::vector<double> exact = dense_spectrum(run);
  const double largest = std::max(std::abs(exact.front()), exact.back());
  double trace = 0;
  for (const double value : exact) trace += value;
  // Differences with h = 2e-3: gradients of size 1, sums of tens of fp32 terms, are off by 1e-6, so entries by
  // 1e-6 / 4e-3 / sqrt(2) = 2e-4, and an eigenvalue by the norm of such a matrix of some 300 rows, 2 * 2e-4 * sqrt(300).
  // The large eps of the norms bounds the higher derivatives. Another batch or other weights are off by a tenth.
  CHECK(std::abs(run.value("hessian", "top_eigenvalue") - exact.back()) <= run.value("hessian", "top_error") + 1e-2);
  CHECK(exact.back() > 0.5);
  // Five standard errors of ten probes, whose own estimate is off by a quarter as a rule.
  CHECK(std::abs(run.value("hessian", "trace") - trace) <= 5 * run.value("hessian", "trace_error") + 2e-2 * largest);
  CHECK(run.value("hessian", "trace_error") < 0.5 * std::abs(trace));
  CHECK(run.value("hessian", "products") <= 60);
}

TEST_CASE("a run that has none of the metrics that came later keeps its id, and no group of theirs", "[landscape]") {
  const RunConfig without = tiny_config();
  CHECK(to_toml(without).find("hessian_every") == std::string::npos);
  CHECK(run_id(tiny_config({"metrics.hessian_every=0", "metrics.fp32_sharpness_every=0"})) == run_id(without));
  CHECK(run_id(tiny_config({"metrics.hessian_every=5"})) != run_id(without));
  const auto names = [](const RunConfig& config) {
    const auto tokens = open_tokens(config);
    std::vector<std::string> found;
    for (const SeriesGroup& group : Trainer(config, *tokens).groups()) found.push_back(group.name);
    return found;
  };
  std::vector<std::string> expected = names(without);
  CHECK(std::find(expected.begin(), expected.end(), "hessian") == expected.end());
  expected.push_back("hessian");
  CHECK(names(tiny_config({"metrics.hessian_every=5"})) == expected);
}
