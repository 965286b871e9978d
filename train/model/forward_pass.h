// SPDX-License-Identifier: Apache-2.0
// One batch through a model: the loss that is reported and the objective that is differentiated.
#pragma once

#include "train/data/tokens.h"
#include "train/model/model.h"

namespace precipice {

// A batch as a model of this kind takes it, in memory of its own: tokens (B, T) and (B * T), int64; vectors (B, 1, C) and
// (B, C), fp32.
struct BatchTensors {
  at::Tensor inputs, targets;
};
BatchTensors batch_tensors(const Batch& batch, const ModelConfig& model);
// The same where the model lies, after check_batch() where that is a device.
BatchTensors batch_tensors(const Batch& batch, const ModelConfig& config, const Model& model);

// What a device's kernels do not say: whether every token is one of the model's.
void check_batch(const Batch& batch, const Model& model);

struct ForwardPass {
  // (B * T, V), (B * T); of vectors outputs and targets (B, C). Logits are undefined where they were bf16 numbers, which
  // the loss alone has read.
  at::Tensor logits, targets;
  at::Tensor loss;                        // mean cross-entropy; of vectors mean squared error
  at::Tensor objective;                   // with the z-loss
  LogitStatistics statistics;             // of vectors NaN
  std::vector<BatchSharpness> sharpness;  // of the logits, one for each epsilon
  LateLossPlace late;                     // not null: loss, objective and statistics have no values yet
};

// batch: sequences of config.model.context tokens, or samples of config.model.width numbers. With a context.ledger and
// without epsilons the values of losses come later.
ForwardPass forward_pass(const Model& model, const RunConfig& config, const Batch& batch, const ForwardContext& context,
                         std::span<const double> epsilons = {});
// The same of a batch that lies where the model does.
ForwardPass forward_pass(const Model& model, const RunConfig& config, const BatchTensors& batch,
                         const ForwardContext& context, std::span<const double> epsilons = {});
// Once context.ledger is settled: gives a pass its values, on the host.
void take_late_values(ForwardPass& pass, const RunConfig& config);

}  // namespace precipice
