// SPDX-License-Identifier: Apache-2.0
#include "train/curvature/double_backward.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "precision/base/check.h"
#include "precision/quantize/device.h"
#include "train/model/loss.h"

namespace precipice {
namespace {

using torch::autograd::grad;
using torch::autograd::variable_list;

at::Tensor scalar_product(const variable_list& a, const variable_list& b) {
  at::Tensor sum;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!a[i].defined()) continue;
    const at::Tensor part = (a[i] * b[i]).sum();
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

}  // namespace

at::Tensor output_curvature(const at::Tensor& outputs, const at::Tensor& y, Task task) {
  if (task == Task::Vectors) return y * (2.0 / static_cast<double>(outputs.numel()));
  const at::Tensor p = at::softmax(outputs.detach(), -1), py = p * y;
  return (py - p * py.sum(-1, true)) / static_cast<double>(outputs.size(0));
}

PlainLoss::PlainLoss(std::shared_ptr<const Model> model, std::vector<BatchTensors> batches)
    : model_(std::move(model)), batches_(std::move(batches)) {
  PRECIPICE_CHECK(!batches_.empty(), "no batch");
  for (const NamedParameter& parameter : model_->parameters()) {
    leaves_.push_back(parameter.value);
    size_ += parameter.value.numel();
  }
}

// (tokens, V) or (samples, C), from which autograd can go back twice
at::Tensor PlainLoss::logits(const at::Tensor& inputs) const {
  ForwardContext context;
  context.plain = true;
  return model_->forward(inputs, context);
}

// A flat vector as tensors of the parameters' shapes; they look into its memory.
variable_list PlainLoss::views(std::span<const float> flat) const {
  PRECIPICE_CHECK(static_cast<std::int64_t>(flat.size()) == size_, flat.size(), " values, ", size_, " parameters");
  variable_list result;
  float* next = const_cast<float*>(flat.data());
  for (const at::Tensor& leaf : leaves_) {
    const at::Tensor view = at::from_blob(next, leaf.sizes(), at::TensorOptions(at::kFloat));
    result.push_back(leaf.is_cpu() ? view : view.to(view.options().device(leaf.device())));
    next += leaf.numel();
  }
  return result;
}

void PlainLoss::add_to(std::span<float> flat, const variable_list& tensors, double factor) const {
  std::size_t offset = 0;
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    const auto size = static_cast<std::size_t>(leaves_[i].numel());
    if (tensors[i].defined()) {  // else nothing depends on it
      const at::Tensor values = on_host(tensors[i].detach().contiguous());
      add_scaled(flat.subspan(offset, size), factor, {values.const_data_ptr<float>(), size});
    }
    offset += size;
  }
}

LossGradient PlainLoss::gradient() const {
  LossGradient result;
  result.gradient.assign(static_cast<std::size_t>(size_), 0.0f);
  const auto count = static_cast<double>(batches_.size());
  for (const BatchTensors& batch : batches_) {
    const at::Tensor loss = plain_loss(logits(batch.inputs), batch.targets);
    result.loss += loss.item<float>() / count;
    add_to(result.gradient, grad({loss}, leaves_, {}, false, false, true), 1 / count);
  }
  return result;
}

FlatVector PlainLoss::hessian_product(std::span<const float> v) const {
  FlatVector sum(v.size(), 0.0f);
  const variable_list direction = views(v);
  const double share = 1.0 / static_cast<double>(batches_.size());
  for (const BatchTensors& batch : batches_) {
    const at::Tensor loss = plain_loss(logits(batch.inputs), batch.targets);
    const variable_list g = grad({loss}, leaves_, {}, true, true, true);
    add_to(sum, grad({scalar_product(g, direction)}, leaves_, {}, false, false, true), share);
  }
  return sum;
}

FlatVector PlainLoss::ggn_product(std::span<const float> v) const {
  FlatVector sum(v.size(), 0.0f);
  const variable_list direction = views(v);
  const double share = 1.0 / static_cast<double>(batches_.size());
  for (const BatchTensors& batch : batches_) {
    const at::Tensor z = logits(batch.inputs), u = at::zeros_like(z).set_requires_grad(true);
    const variable_list pulled = grad({z}, leaves_, {u}, true, true, true);
    const at::Tensor pushed = grad({scalar_product(pulled, direction)}, {u}, {}, true, false, true)[0];
    const Task task = batch.targets.is_floating_point() ? Task::Vectors : Task::Tokens;
    add_to(sum, grad({z}, leaves_, {output_curvature(z, pushed, task)}, false, false, true), share);
  }
  return sum;
}

}  // namespace precipice
