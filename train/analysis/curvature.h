// SPDX-License-Identifier: Apache-2.0
// Products with the curvature of a run's loss at fixed weights w, as operators on flat vectors.
//   Double backward: exact products with Hessian or GGN of the loss in fp32 (train/curvature/double_backward.h).
//   Differences, Hessian:  (g(w + h v) - g(w - h v)) / 2h with the gradient g of the emulated recipe, which is straight
//     through every rounding: the loss itself is piecewise constant there. The step h is for v of length 1.
//   Differences, GGN:      J v = (z(w + h v) - z(w - h v)) / 2h, and J^T by the recipe's backward pass.
// Every product covers all batches of the evaluator, one after the other; nothing is kept between products.
#pragma once

#include "metrics/curvature/flat_vectors.h"
#include "train/analysis/run_evaluator.h"
#include "train/curvature/double_backward.h"

namespace precipice {

enum class CurvatureMethod : std::uint8_t { DoubleBackward, Differences };

struct CurvatureRequest {
  CurvatureMatrix matrix = CurvatureMatrix::Hessian;
  CurvatureMethod method = CurvatureMethod::DoubleBackward;
  double step = 0;  // of differences; 0: default_step
};

// 1e-3 where the recipe rounds nothing at all, 0.1 otherwise: a displacement must cross the formats' grids. The values
// that hessian-eigenthings uses for fp32 and bf16.
double default_step(const RunEvaluator& evaluator);

// At the weights that are loaded now. The evaluator outlives the operator, which changes the weights in its model.
LinearOperator curvature_operator(RunEvaluator& evaluator, const CurvatureRequest& request);

// Loss and gradient of the fp32 forward pass that double backward differentiates.
LossGradient differentiable_gradient(const RunEvaluator& evaluator, std::span<const float> weights);

}  // namespace precipice
