// SPDX-License-Identifier: Apache-2.0
#include "train/model/forward_pass.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>

#include <memory>
#include <vector>

#include "precision/base/check.h"

namespace precipice {

namespace {

void check_tokens(const std::vector<std::int64_t>& tokens, std::int64_t vocabulary) {
  for (const std::int64_t token : tokens)
    PRECIPICE_CHECK(token >= 0 && token < vocabulary, "token ", token, " of ", vocabulary);
}

}  // namespace

BatchTensors batch_tensors(const Batch& batch, const ModelConfig& model) {
  // clone(): the batch's memory goes away before backward has run.
  if (!model.kind->predicts_tokens()) {
    const auto samples = static_cast<std::int64_t>(batch.inputs.size()) / model.width;
    const auto floats = at::TensorOptions(at::kFloat);
    return {at::from_blob(const_cast<float*>(batch.inputs.data()), {samples, 1, model.width}, floats).clone(),
            at::from_blob(const_cast<float*>(batch.targets.data()), {samples, model.width}, floats).clone()};
  }
  const std::int64_t length = model.context, rows = static_cast<std::int64_t>(batch.x.size()) / length;
  const auto integers = at::TensorOptions(at::kLong);
  return {at::from_blob(const_cast<std::int64_t*>(batch.x.data()), {rows, length}, integers).clone(),
          at::from_blob(const_cast<std::int64_t*>(batch.y.data()), {rows * length}, integers).clone()};
}

void check_batch(const Batch& batch, const Model& model) {
  for (const auto* tokens : {&batch.x, &batch.y}) check_tokens(*tokens, model.vocabulary());
}

BatchTensors batch_tensors(const Batch& batch, const ModelConfig& config, const Model& model) {
  const BatchTensors tensors = batch_tensors(batch, config);
  const at::Device device = model.device();
  if (device.is_cpu()) return tensors;
  check_batch(batch, model);
  // In one copy, of which each has its part.
  const at::Tensor both = at::cat({tensors.inputs.flatten(), tensors.targets.flatten()}).to(device);
  const std::int64_t size = tensors.inputs.numel();
  return {both.narrow(0, 0, size).view(tensors.inputs.sizes()),
          both.narrow(0, size, both.numel() - size).view(tensors.targets.sizes())};
}

ForwardPass forward_pass(const Model& model, const RunConfig& config, const Batch& batch, const ForwardContext& context,
                         std::span<const double> epsilons) {
  return forward_pass(model, config, batch_tensors(batch, config.model, model), context, epsilons);
}

ForwardPass forward_pass(const Model& model, const RunConfig& config, const BatchTensors& tensors,
                         const ForwardContext& context, std::span<const double> epsilons) {
  ForwardPass out;
  out.targets = tensors.targets;
  if (context.ledger != nullptr && epsilons.empty()) {
    out.late = std::make_shared<LateLoss>();
    out.late->ledger = context.ledger;
  }
  ForwardContext own = context;
  own.bf16_logits = context.bf16_logits && out.late != nullptr && config.train.z_loss == 0;
  out.logits = model.forward(tensors.inputs, own);
  LogitLoss loss = output_loss(out.logits, out.targets, config.model.context, epsilons, out.late);
  out.loss = out.objective = loss.mean;
  if (out.logits.scalar_type() == at::kBFloat16) out.logits.reset();  // they become their gradient
  out.statistics = loss.statistics;
  out.sharpness = std::move(loss.sharpness);
  if (config.train.z_loss > 0) {
    const at::Tensor z = z_loss(out.logits);
    out.objective = out.loss.add(z, config.train.z_loss);
    if (out.late)
      context.ledger->add(z.detach(), [late = out.late](const void* bytes) { late->z = number_at<float>(bytes); });
  }
  return out;
}

void take_late_values(ForwardPass& pass, const RunConfig& config) {
  if (!pass.late) return;
  const auto scalar = [](double value) { return at::full({}, value, at::TensorOptions(at::kFloat)); };
  pass.loss = pass.objective = scalar(pass.late->mean);
  if (config.train.z_loss > 0) pass.objective = pass.loss.add(scalar(double{pass.late->z}), config.train.z_loss);
  pass.statistics = pass.late->statistics;
  pass.late.reset();
}

}  // namespace precipice
