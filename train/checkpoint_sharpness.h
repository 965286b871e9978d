// SPDX-License-Identifier: Apache-2.0
// Sharpness of a run's loss at a checkpoint's weights, in the precision of the evaluator's recipe.
//   SAM:     L(w + rho g / |g|) - L(w), one ascent step along the gradient (Foret et al. 2021, arXiv 2010.01412, eq.
//   2). Keskar:  100 (max L - L(w)) / (1 + L(w)) over the box |dw_i| <= eps (|w_i| + 1) (arXiv 1609.04836, metric 2.1
//   with
//            A = I), the maximum from below by metrics/box_ascent.h.
//   Logit:   metrics/logit_sharpness.h over the evaluation batches' tokens.
#pragma once

#include <string>
#include <vector>

#include "metrics/logit_sharpness.h"
#include "train/run_evaluator.h"

namespace precipice {

struct SamSharpness {
  double rise = 0;     // nats
  std::string reason;  // why it is NaN, or zero without a step
};
SamSharpness sam_sharpness(RunEvaluator& evaluator, double rho);

struct KeskarSharpness {
  double rise = 0;       // nats
  double sharpness = 0;  // 100 rise / (1 + loss)
  int iterations = 0;
};
KeskarSharpness keskar_sharpness(RunEvaluator& evaluator, double epsilon, int max_iterations);

// One result per epsilon, means over all batches.
std::vector<BatchSharpness> evaluated_logit_sharpness(RunEvaluator& evaluator, std::span<const double> epsilons);

}  // namespace precipice
