// SPDX-License-Identifier: Apache-2.0
// Curvature as an optimizer meets it: lambda_max(P^-1 H) = lambda_max(P^-1/2 H P^-1/2), with products of H by central
// differences of the gradient in the emulated precision, (g(w + h u) - g(w - h u)) / 2h, |u| = 1. Power iteration from
// a random start gives the eigenvalue of largest magnitude, from below: its Rayleigh quotient is what is returned.
#pragma once

#include "optim/optimizer.h"
#include "train/probes/probed_step.h"

namespace precipice {

struct Preconditioner {
  TensorVector inverse_root;  // P^-1/2, one number a weight; empty where the optimizer has none (Lion)
  double threshold = 0;       // curvature times learning rate at which training becomes unstable
};
Preconditioner preconditioner_of(Optimizer& optimizer, const Model& model);

// NaN where a gradient is not finite. The model's weights are as before.
double largest_preconditioned_curvature(const ProbedStep& step, const TensorVector& inverse_root, int iterations);

}  // namespace precipice
