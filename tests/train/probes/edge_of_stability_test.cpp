// SPDX-License-Identifier: Apache-2.0
// The preconditioned curvature against the dense Hessian of a model of 224 weights.
#include "train/probes/edge_of_stability.h"

#include <ATen/Parallel.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "tests/support/tensors.h"
#include "tests/support/tiny_run.h"
#include "tests/train/model/model_support.h"
#include "train/data/open_tokens.h"
#include "train/run/model_weights.h"

using namespace precipice;

namespace {

struct Small {
  RunConfig config = test::tiny_config({"model.layers=1", "model.width=4", "model.heads=1", "model.context=2",
                                        "data.vocabulary=3", "init.std=0.3", "precision.recipe=fp32"});
  std::unique_ptr<TokenSource> tokens = open_tokens(config);
  std::unique_ptr<Model> model = make_model(config, 3);
  Batch batch = tokens->training_batch(0);
  ScaleStates scales;
  ProbedStep step{*model, config, batch, scales};
};

// Central differences of the gradient along every axis, symmetrised, in double.
at::Tensor dense_hessian(const Small& small) {
  const std::int64_t n = small.model->num_parameters();
  at::Tensor hessian = at::zeros({n, n}, at::TensorOptions(at::kDouble));
  const auto flat_gradient = [&] {
    std::vector<double> flat;
    for (const at::Tensor& g : gradient_at(small.step, small.batch))
      flat.insert(flat.end(), g.const_data_ptr<float>(), g.const_data_ptr<float>() + g.numel());
    return flat;
  };
  constexpr float kStep = 0x1p-8f;
  std::int64_t row = 0;
  for (const NamedParameter& parameter : small.model->parameters())
    for (std::int64_t i = 0; i < parameter.value.numel(); ++i, ++row) {
      float& w = parameter.value.mutable_data_ptr<float>()[i];
      const float start = w;
      w = start + kStep;
      const float above = w;
      const auto up = flat_gradient();
      w = start - kStep;
      const auto down = flat_gradient();
      const double distance = double{above} - w;
      w = start;
      for (std::int64_t k = 0; k < n; ++k)
        hessian[row][k] = (up[static_cast<std::size_t>(k)] - down[static_cast<std::size_t>(k)]) / distance;
    }
  return hessian.add(hessian.t()).div(2);
}

}  // namespace

TEST_CASE("power iteration finds the eigenvalue of largest magnitude of the preconditioned Hessian") {
  at::set_num_threads(1);  // as a run does; threads cost such small tensors more than they give
  const Small small;
  TensorVector root;
  std::vector<double> flat;
  for (const NamedParameter& p : small.model->parameters()) {
    root.push_back(test::random_tensor(p.value.sizes().vec(), 40 + root.size()).abs().add(0.5));
    flat.insert(flat.end(), root.back().const_data_ptr<float>(),
                root.back().const_data_ptr<float>() + root.back().numel());
  }
  at::Tensor matrix = dense_hessian(small);
  for (std::int64_t i = 0; i < matrix.size(0); ++i)
    for (std::int64_t k = 0; k < matrix.size(0); ++k)
      matrix[i][k] *= flat[static_cast<std::size_t>(i)] * flat[static_cast<std::size_t>(k)];
  const at::Tensor values = at::linalg_eigvalsh(matrix);
  const double low = values[0].item<double>(), high = values[-1].item<double>();
  const double largest = std::abs(low) > high ? low : high;
  const TensorVector before = copy_of_weights(*small.model);
  const double found = largest_preconditioned_curvature(small.step, root, 200);
  INFO(low << " to " << high);
  // Differences of fp32 gradients over 1e-3: an error near 1e-4 of the largest curvature; and 200 products leave
  // little.
  CHECK(found == Approx(largest).epsilon(0.02));
  // Never beyond it by more than that error.
  CHECK(std::abs(largest_preconditioned_curvature(small.step, root, 3)) < 1.01 * std::abs(largest));
  for (std::size_t i = 0; i < before.size(); ++i)
    CHECK(test::same_bits(before[i], small.model->parameters()[i].value.detach()));
}

TEST_CASE("the preconditioner is Adam's second moment, corrected and rooted; SGD has none; Lion's is not defined") {
  const Small small;
  std::vector<std::vector<float>> gradients;
  std::vector<Parameter> parameters;
  for (const NamedParameter& p : small.model->parameters()) {
    gradients.emplace_back(static_cast<std::size_t>(p.value.numel()), 0.25f);
    parameters.push_back({p.name,
                          {p.value.mutable_data_ptr<float>(), p.value.numel()},
                          {gradients.back().data(), p.value.numel()},
                          false});
  }
  OptimizerConfig config;
  config.clip_norm = 0;
  const auto adam = make_optimizer(config, parameters);
  CHECK(preconditioner_of(*adam, *small.model).inverse_root.empty());  // no second moment yet
  for (int i = 0; i < 3; ++i) adam->step(1e-3, 1.0);
  const Preconditioner p = preconditioner_of(*adam, *small.model);
  REQUIRE(p.inverse_root.size() == parameters.size());
  // A constant gradient has v_hat = g^2, so P = (1 - 0.9^3) * 0.25.
  CHECK(p.inverse_root[2].flatten()[1].item<float>() == Approx(1 / std::sqrt(0.271 * 0.25)).epsilon(1e-6));
  CHECK(p.threshold == Approx(38));

  config.kind = "sgd";
  const auto sgd = make_optimizer(config, parameters);
  CHECK(preconditioner_of(*sgd, *small.model).inverse_root[0].eq(1).all().item<bool>());
  CHECK(preconditioner_of(*sgd, *small.model).threshold == Approx(3.8));
  config.kind = "lion";
  const auto lion = make_optimizer(config, parameters);
  CHECK(preconditioner_of(*lion, *small.model).inverse_root.empty());
}
