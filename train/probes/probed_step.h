// SPDX-License-Identifier: Apache-2.0
// A training step as probes see it: the same batch, scales and random words as the step's own forward pass, so at the
// step's weights the objective has the step's bits, in the emulated precision. Probes work on copies of the delayed
// scales and leave no gradient behind.
#pragma once

#include "train/model/forward_pass.h"
#include "train/probes/weight_snapshot.h"

namespace precipice {

struct ProbedStep {
  const Model& model;
  const RunConfig& config;
  const Batch& batch;
  const ScaleStates& scales;
  std::int64_t step = 0;
  double objective = 0;  // at the weights before the update
  double learning_rate = 0;
  double loss_scale = 1;  // of the backward pass
};

inline bool is_due(std::int64_t every, std::int64_t step) {
  return every > 0 && step % every == 0;
}

// At the model's present weights.
double objective_at(const ProbedStep& step);
// Rise of the objective at distance 0.05 along `gradients`, the step's, from the model's present weights, where it is
// step.objective; NaN where that or the gradient's norm is not finite, or the norm 0. One forward pass.
double sam_rise(const ProbedStep& step, const TensorVector& gradients);
// Unscaled gradient of the objective over `batch` at the model's present weights.
TensorVector gradient_at(const ProbedStep& step, const Batch& batch);

}  // namespace precipice
