// SPDX-License-Identifier: Apache-2.0
// Sharpness of a run's loss at a checkpoint's weights, in the precision of the evaluator's recipe.
//   SAM:     L(w + rho g / |g|) - L(w), one ascent step along the gradient (Foret et al. 2021, arXiv 2010.01412,
//            equation 2)
//   Keskar:  100 (max L - L(w)) / (1 + L(w)) over the box |dw_i| <= eps (|w_i| + 1), or over w + A u in a random
//            subspace (arXiv 1609.04836, metric 2.1), the maximum from below by metrics/curvature/box_ascent.h
//   Logit:   metrics/logits/logit_sharpness.h over the evaluation batches' tokens, and what L-BFGS finds of it
//            (metrics/logits/logit_ascent.h)
#pragma once

#include <string>
#include <vector>

#include "metrics/logits/logit_ascent.h"
#include "train/analysis/run_evaluator.h"

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
// `subspace`: of the weights, or null for the whole box.
KeskarSharpness keskar_sharpness(RunEvaluator& evaluator, double epsilon, int max_iterations,
                                 const RandomSubspace* subspace = nullptr);
// A of the weights' subspace. Throws ConfigError where the model has fewer parameters.
RandomSubspace weight_subspace(const RunEvaluator& evaluator, std::int64_t dimension, std::uint64_t seed);

// Of the evaluation batches at the loaded weights.
struct EvaluatedLogits {
  std::vector<float> logits;  // (sequences, context, vocabulary)
  std::vector<std::int64_t> targets;
  std::int64_t sequences, context, vocabulary;
};
EvaluatedLogits evaluated_logits(RunEvaluator& evaluator);

}  // namespace precipice
