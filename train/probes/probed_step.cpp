// SPDX-License-Identifier: Apache-2.0
#include "train/probes/probed_step.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "metrics/log/step_record.h"

namespace precipice {
namespace {

ForwardContext context_of(const ProbedStep& step, ScaleStates& scales) {
  return {static_cast<std::uint64_t>(*step.config.precision.seed), static_cast<std::uint32_t>(step.step), false,
          nullptr, &scales};
}

}  // namespace

double objective_at(const ProbedStep& step) {
  const at::NoGradGuard no_gradients;
  ScaleStates scales = step.scales;
  return forward_pass(step.model, step.config, step.batch, context_of(step, scales)).objective.item<float>();
}

double sam_rise(const ProbedStep& step, const TensorVector& gradients) {
  constexpr double kRadius = 0.05;
  const double norm = std::sqrt(squared_norm(gradients));
  if (!(norm > 0) || !std::isfinite(norm) || !std::isfinite(step.objective)) return kNotMeasured;
  const TensorVector weights = copy_of_weights(step.model);
  set_weights(step.model, weights, kRadius / norm, gradients);
  const double rise = objective_at(step) - step.objective;
  set_weights(step.model, weights);
  return rise;
}

TensorVector gradient_at(const ProbedStep& step, const Batch& batch) {
  ScaleStates scales = step.scales;
  const at::Tensor objective = forward_pass(step.model, step.config, batch, context_of(step, scales)).objective;
  TensorVector inputs;
  for (const NamedParameter& parameter : step.model.parameters()) inputs.push_back(parameter.value);
  TensorVector gradients =
      torch::autograd::grad({objective}, inputs, {at::full({}, step.loss_scale, objective.options())});
  for (at::Tensor& gradient : gradients) {
    gradient = gradient.contiguous();
    if (step.loss_scale != 1) gradient = gradient.mul(static_cast<float>(1.0 / step.loss_scale));
  }
  return gradients;
}

}  // namespace precipice
