// SPDX-License-Identifier: Apache-2.0
#include "train/model/gelu.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include <utility>

#include "precision/autograd/operation.h"
#include "precision/base/check.h"
#include "precision/quantize/device.h"
#include "precision/quantize/noted_amax.h"

namespace precipice {
namespace {

// On the CPU keeps the derivative, which shares an exponential with the value, instead of x; on a device, where memory is
// what takes time, x alone.
class GeluOperation : public Operation {
 public:
  GeluOperation(const ElementQuantizer& vector, bool keeps) : vector_(vector), keeps_(keeps) {}

  Tensors forward(const Tensors& inputs) override {
    const at::Tensor x = inputs[0].contiguous();
    at::Tensor y = at::empty_like(x);
    if (keeps_) (x.is_cpu() ? derivative_ : x_) = x.is_cpu() ? at::empty_like(x) : x;
    AmaxOfWritten amax(y, vector_.is_identity());
    const Machine& machine = machine_of(x);
    machine.gelu({x.const_data_ptr<float>(), x.numel(), y.mutable_data_ptr<float>(),
                  derivative_.defined() ? derivative_.mutable_data_ptr<float>() : nullptr, amax.room()},
                 machine.current_stream());
    amax.note();
    return {rounded(y, vector_)};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients&) override {
    const at::Tensor dy = rounded(gradients[0], vector_);
    return {rounded(x_.defined() ? gradient_of_kept(dy) : gradient_of_derivative(dy), vector_)};
  }

 private:
  at::Tensor gradient_of_derivative(const at::Tensor& dy) {
    PRECIPICE_CHECK(derivative_.defined(), "the derivative serves one backward pass");
    return std::exchange(derivative_, {}).mul_(dy);
  }

  at::Tensor gradient_of_kept(const at::Tensor& given) {
    const at::Tensor dy = given.contiguous(), dx = at::empty_like(dy);
    AmaxOfWritten amax(dx, vector_.is_identity());
    const Machine& machine = machine_of(dx);
    machine.gelu_gradient(
        {x_.const_data_ptr<float>(), dy.const_data_ptr<float>(), dx.numel(), dx.mutable_data_ptr<float>(), amax.room()},
        machine.current_stream());
    amax.note();
    return dx;
  }

  ElementQuantizer vector_;
  bool keeps_;
  at::Tensor derivative_, x_;
};

}  // namespace

at::Tensor gelu(const at::Tensor& x, const ElementQuantizer& vector) {
  const bool keeps = at::GradMode::is_enabled() && x.requires_grad();
  return run_operation(std::make_unique<GeluOperation>(vector, keeps), {x})[0];
}

}  // namespace precipice
