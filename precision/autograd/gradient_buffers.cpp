// SPDX-License-Identifier: Apache-2.0
#include "precision/autograd/gradient_buffers.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <utility>

#include "precision/base/check.h"

namespace precipice {
namespace {

thread_local GradientBuffers* innermost = nullptr;

}  // namespace

GradientBuffers::GradientBuffers(std::vector<at::Tensor> parameters)
    : parameters_(std::move(parameters)), has_(parameters_.size(), false) {
  const at::NoGradGuard no_gradients;
  for (const at::Tensor& parameter : parameters_) {
    PRECIPICE_CHECK(parameter.is_leaf() && !parameter.grad().defined(), "a parameter is a leaf without a gradient");
    indices_.emplace(parameter.unsafeGetTensorImpl(), buffers_.size());
    buffers_.push_back(at::zeros_like(parameter, at::MemoryFormat::Contiguous));
  }
}

GradientBuffers::Recording::Recording(GradientBuffers& gradients) : before_(std::exchange(innermost, &gradients)) {}

GradientBuffers::Recording::~Recording() {
  innermost = before_;
}

GradientBuffers* GradientBuffers::recording() {
  return innermost;
}

void GradientBuffers::backward(const at::Tensor& objective, const at::Tensor& upstream) {
  std::fill(has_.begin(), has_.end(), false);
  objective.backward(upstream);
  const at::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    // What came by autograd: through operations that are not ours.
    at::Tensor& rest = parameters_[i].mutable_grad();
    if (rest.defined()) take(i, std::exchange(rest, {}));
    if (!has_[i]) buffers_[i].zero_();
  }
}

std::optional<std::size_t> GradientBuffers::index_of(const at::Tensor& input) const {
  const auto found = indices_.find(input.unsafeGetTensorImpl());
  return found == indices_.end() ? std::nullopt : std::optional(found->second);
}

at::Tensor GradientBuffers::room_for(std::size_t index) const {
  return has_[index] ? at::Tensor() : buffers_[index];
}

void GradientBuffers::take(std::size_t index, const at::Tensor& gradient) {
  at::Tensor& buffer = buffers_[index];
  if (has_[index])
    buffer.add_(gradient);
  else if (!gradient.is_same(buffer))
    buffer.copy_(gradient);
  has_[index] = true;
}

}  // namespace precipice
