// SPDX-License-Identifier: Apache-2.0
#include "train/model/forward_pass.h"

#include <ATen/ops/from_blob.h>

namespace precipice {

ForwardPass forward_pass(const Model& model, const RunConfig& config, const Batch& batch, const ForwardContext& context,
                         std::span<const double> epsilons) {
  const std::int64_t length = config.model.context, rows = static_cast<std::int64_t>(batch.x.size()) / length;
  const auto integers = at::TensorOptions(at::kLong);
  ForwardPass out;
  // clone(): the batch's memory goes away before backward has run.
  const at::Tensor x = at::from_blob(const_cast<std::int64_t*>(batch.x.data()), {rows, length}, integers).clone();
  out.targets = at::from_blob(const_cast<std::int64_t*>(batch.y.data()), {rows * length}, integers).clone();
  out.logits = model.forward(x, context);
  LogitLoss loss = logit_loss(out.logits, out.targets, length, epsilons);
  out.loss = out.objective = loss.mean;
  out.statistics = loss.statistics;
  out.sharpness = std::move(loss.sharpness);
  if (config.train.z_loss > 0) out.objective = out.loss.add(z_loss(out.logits), config.train.z_loss);
  return out;
}

}  // namespace precipice
