// SPDX-License-Identifier: Apache-2.0
#include "train/model/gelu.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include <utility>

#include "precision/autograd/operation.h"
#include "precision/base/check.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

// Keeps the derivative, which shares an exponential with the value, instead of x.
class GeluOperation : public Operation {
 public:
  GeluOperation(const ElementQuantizer& vector, bool keeps) : vector_(vector), keeps_(keeps) {}

  Tensors forward(const Tensors& inputs) override {
    const at::Tensor x = inputs[0].contiguous();
    at::Tensor y = at::empty_like(x);
    if (keeps_) derivative_ = at::empty_like(x);
    const Machine& machine = machine_of(x);
    machine.gelu(x.const_data_ptr<float>(), x.numel(), y.mutable_data_ptr<float>(),
                 keeps_ ? derivative_.mutable_data_ptr<float>() : nullptr, machine.current_stream());
    return {rounded(y, vector_)};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients&) override {
    PRECIPICE_CHECK(derivative_.defined(), "the derivative serves one backward pass");
    const at::Tensor dx = std::exchange(derivative_, {}).mul_(rounded(gradients[0], vector_));
    return {rounded(dx, vector_)};
  }

 private:
  ElementQuantizer vector_;
  bool keeps_;
  at::Tensor derivative_;
};

}  // namespace

at::Tensor gelu(const at::Tensor& x, const ElementQuantizer& vector) {
  const bool keeps = at::GradMode::is_enabled() && x.requires_grad();
  return run_operation(std::make_unique<GeluOperation>(vector, keeps), {x})[0];
}

}  // namespace precipice
