// SPDX-License-Identifier: Apache-2.0
// One batch through a model: the loss that is reported and the objective that is differentiated.
#pragma once

#include "train/data/tokens.h"
#include "train/model/model.h"

namespace precipice {

struct ForwardPass {
  at::Tensor logits, targets;  // (B * T, V), (B * T)
  at::Tensor loss;             // mean cross-entropy
  at::Tensor objective;        // with the z-loss
  LogitStatistics statistics;
  std::vector<BatchSharpness> sharpness;  // of the logits, one for each epsilon
};

// batch: sequences of config.model.context tokens.
ForwardPass forward_pass(const Model& model, const RunConfig& config, const Batch& batch, const ForwardContext& context,
                         std::span<const double> epsilons = {});

}  // namespace precipice
