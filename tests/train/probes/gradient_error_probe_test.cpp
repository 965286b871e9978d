// SPDX-License-Identifier: Apache-2.0
// The error of a gradient against the difference of two explicit backward passes.
#include <ATen/ops/linalg_svdvals.h>

#include <cmath>

#include "tests/support/catch.h"
#include "tests/support/log_groups.h"
#include "tests/support/tiny_run.h"
#include "train/data/open_tokens.h"
#include "train/run/model_weights.h"
#include "train/run/trainer.h"

using namespace precipice;
using test::tiny_config;
using test::values_of;

namespace {

std::vector<SeriesRow> first_step(const RunConfig& config) {
  const auto tokens = open_tokens(config);
  Trainer trainer(config, *tokens);
  return trainer.step();
}

TensorVector plain_gradient(const RunConfig& config) {
  const auto tokens = open_tokens(config);
  const auto model = make_model(config, tokens->vocabulary());
  ScaleStates scales;
  const ForwardContext context{static_cast<std::uint64_t>(*config.precision.seed), 0, false, nullptr, &scales};
  forward_pass(*model, config, tokens->training_batch(0), context).objective.backward();
  TensorVector gradients;
  for (const NamedParameter& p : model->parameters()) gradients.push_back(p.value.grad().to(at::kDouble));
  return gradients;
}

}  // namespace

TEST_CASE("in fp32 the error is exactly zero and the cosine exactly one, at every parameter") {
  for (const char* way : {"model.kind=gpt", "model.kind=llama", "train.z_loss=1e-2"}) {
    INFO(way);
    const auto rows = first_step(tiny_config({"precision.recipe=fp32", way}));
    const std::vector<double> all = values_of(rows, "gradient_error");
    CHECK(all[0] == 0);
    CHECK(all[1] == 1);
    const std::vector<double> each = values_of(rows, "parameter_errors");
    const std::size_t count = each.size() / 4;
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(each[i] == 0);
      CHECK(each[count + i] == 1);
      CHECK(each[2 * count + i] == 0);
    }
  }
}

TEST_CASE("in fp8 the error is the difference of two backward passes, parameter by parameter") {
  const RunConfig config = tiny_config({"precision.recipe=fp8-all", "metrics.gradient_error_matrices=*c_attn* *c_fc*"});
  RunConfig exact = config;
  exact.precision = {};
  exact.precision.recipe = "fp32";
  exact.precision.seed = config.precision.seed;
  const TensorVector rounded = plain_gradient(config), reference = plain_gradient(exact);
  const auto rows = first_step(config);
  const std::vector<double> each = values_of(rows, "parameter_errors");
  const auto tokens = open_tokens(config);
  const std::vector<std::string> names = Trainer(config, *tokens).groups()[test::group_of("parameter_errors")].sites;
  const std::size_t count = names.size();
  REQUIRE(count == reference.size());
  double error = 0, norm = 0;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < count; ++i) {
    INFO(names[i]);
    const at::Tensor e = rounded[i].sub(reference[i]);
    const double e2 = e.square().sum().item<double>(), g2 = reference[i].square().sum().item<double>();
    error += e2, norm += g2;
    // The same bits summed in double.
    CHECK(each[i] == Approx(e2 / g2).epsilon(1e-10));
    CHECK(each[2 * count + i] == Approx(std::sqrt(e2)).epsilon(1e-10));
    const double spectral = each[3 * count + i];
    const bool is_chosen = names[i].find("c_attn") != std::string::npos || names[i].find("c_fc") != std::string::npos;
    CHECK(std::isnan(spectral) != is_chosen);
    // Here the error is subtracted in fp32 first.
    if (is_chosen) CHECK(spectral == Approx(at::linalg_svdvals(e)[0].item<double>()).epsilon(1e-5));
    chosen += is_chosen;
  }
  CHECK(chosen == 4);
  CHECK(values_of(rows, "gradient_error")[0] == Approx(error / norm).epsilon(1e-10));
  CHECK(values_of(rows, "gradient_error")[0] > 1e-5);
}

TEST_CASE("the bias is the error along the exact gradient, for all, for the matrices and for each parameter") {
  // With and without the comparison that computes the same exact gradient.
  for (const char* beside : {"metrics.gradient_error_every=1", "metrics.gradient_error_every=0"}) {
    INFO(beside);
    const RunConfig config = tiny_config({"precision.recipe=fp8-all", "metrics.gradient_bias_every=1", beside});
    RunConfig exact = config;
    exact.precision = {};
    exact.precision.recipe = "fp32";
    exact.precision.seed = config.precision.seed;
    const TensorVector rounded = plain_gradient(config), reference = plain_gradient(exact);
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens);
    const auto groups = trainer.groups();
    const auto row_of = [&, rows = trainer.step()](const std::string& name) {
      for (const SeriesRow& row : rows)
        if (groups[row.group].name == name) return row.values;
      return std::vector<double>{};
    };
    const std::vector<double> all = row_of("gradient_bias"), each = row_of("parameter_bias");
    REQUIRE(all.size() == 2);
    REQUIRE(each.size() == reference.size());
    double along = 0, norm = 0, matrix_along = 0, matrix_norm = 0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
      const double dot = rounded[i].sub(reference[i]).mul(reference[i]).sum().item<double>();
      const double square = reference[i].square().sum().item<double>();
      along += dot, norm += square;
      if (reference[i].dim() == 2) matrix_along += dot, matrix_norm += square;
      CHECK(each[i] == Approx(dot / square).epsilon(1e-9));  // the same bits summed in double
    }
    CHECK(all[0] == Approx(along / norm).epsilon(1e-9));
    CHECK(all[1] == Approx(matrix_along / matrix_norm).epsilon(1e-9));
    CHECK(all[0] != all[1]);
  }
}

TEST_CASE("a loss scale that underflows nothing leaves no error in fp32") {
  const auto rows =
      first_step(tiny_config({"precision.recipe=fp32", "loss_scale.kind=static", "loss_scale.initial=256"}));
  CHECK(values_of(rows, "gradient_error")[0] == 0);
}
