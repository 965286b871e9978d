// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint_sharpness.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <limits>

#include "metrics/box_ascent.h"

namespace precipice {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

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

KeskarSharpness keskar_sharpness(RunEvaluator& evaluator, double epsilon, int max_iterations) {
  FlatVector half_widths;
  half_widths.reserve(evaluator.weights().size());
  for (const float w : evaluator.weights())
    half_widths.push_back(static_cast<float>(epsilon * (std::abs(double{w}) + 1)));
  const BoxFunction f{[&](std::span<const float> w) { return evaluator.loss(w); },
                      [&](std::span<const float> w) { return evaluator.gradient(w).gradient; }};
  const BoxAscent found = ascend_in_box(f, evaluator.weights(), half_widths, max_iterations);
  const double rise = found.highest - found.start;
  return {rise, 100 * rise / (1 + found.start), found.iterations};
}

std::vector<BatchSharpness> evaluated_logit_sharpness(RunEvaluator& evaluator, std::span<const double> epsilons) {
  const at::NoGradGuard no_gradients;
  evaluator.set_weights(evaluator.weights());
  const std::int64_t context = evaluator.config().model.context;
  std::vector<float> logits;
  std::vector<std::int64_t> targets;
  for (const Batch& batch : evaluator.batches()) {
    const at::Tensor z = evaluator.logits(batch).contiguous();
    logits.insert(logits.end(), z.const_data_ptr<float>(), z.const_data_ptr<float>() + z.numel());
    targets.insert(targets.end(), batch.y.begin(), batch.y.end());
  }
  return batch_sharpness(logits, targets, static_cast<std::int64_t>(targets.size()) / context, context,
                         evaluator.vocabulary(), epsilons);
}

}  // namespace precipice
