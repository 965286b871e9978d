// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/checkpoint_sharpness.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "metrics/curvature/box_ascent.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
SamSharpness sam_sharpness(RunEvaluator& evaluator, double rho) {
  const LossGradient at = evaluator.gradient(evaluator.weights());
  const double norm = euclidean_norm(at.gradient);
  if (!std::isfinite(at.loss) || !std::isfinite(norm)) return {kNaN, "the loss or its gradient is not finite"};
  if (norm == 0) return {0, "the gradient is zero: there is no direction of ascent"};
  FlatVector moved = evaluator.weights();
  add_scaled(moved, rho / norm, at.gradient);
  const double rise = evaluator.loss(moved) - at.loss;
  return {rise, std::isfinite(rise) ? "" : "the loss after the step is not finite"};
}

KeskarSharpness keskar_sharpness(RunEvaluator& evaluator, double epsilon, int max_iterations,
                                 const RandomSubspace* subspace) {
  const BoxFunction f{[&](std::span<const float> w) { return evaluator.loss(w); },
                      [&](std::span<const float> w) { return evaluator.gradient(w).gradient; }};
  BoxAscent found;
  if (subspace != nullptr) {
    found = ascend_in_subspace(f, evaluator.weights(), *subspace, epsilon, max_iterations);
  } else {
    const std::vector<double> widths =
        box_half_widths(std::vector<double>(evaluator.weights().begin(), evaluator.weights().end()), epsilon);
    found = ascend_in_box(f, evaluator.weights(), FlatVector(widths.begin(), widths.end()), max_iterations);
  }
  const double rise = found.highest - found.start;
  return {rise, 100 * rise / (1 + found.start), found.iterations};
}

RandomSubspace weight_subspace(const RunEvaluator& evaluator, std::int64_t dimension, std::uint64_t seed) {
  if (dimension > evaluator.size())
    throw ConfigError({"", 0, "subspace", std::to_string(dimension)},
                      join_parts("the model has ", evaluator.size(), " parameters"));
  return RandomSubspace(evaluator.size(), dimension, random_key(kWeightSubspaceStream, seed));
}

EvaluatedLogits evaluated_logits(RunEvaluator& evaluator) {
  if (!evaluator.config().model.kind->predicts_tokens())
    throw ConfigError({"", 0, "kind", "logit"},
                      join_parts("model.kind = \"", evaluator.config().model.kind->name, "\" has no logits"));
  const at::NoGradGuard no_gradients;
  evaluator.set_weights(evaluator.weights());
  EvaluatedLogits all{{}, {}, 0, evaluator.config().model.context, evaluator.vocabulary()};
  for (const Batch& batch : evaluator.batches()) {
    const at::Tensor z = evaluator.logits(batch).contiguous();
    all.logits.insert(all.logits.end(), z.const_data_ptr<float>(), z.const_data_ptr<float>() + z.numel());
    all.targets.insert(all.targets.end(), batch.y.begin(), batch.y.end());
  }
  all.sequences = static_cast<std::int64_t>(all.targets.size()) / all.context;
  return all;
}

}  // namespace precipice
