// SPDX-License-Identifier: Apache-2.0
#include "precision/autograd/round_tensor.h"

#include "precision/autograd/operation.h"
#include "precision/base/check.h"
#include "precision/gemm/gemm.h"

namespace precipice {
namespace {

class RoundOperation : public Operation {
 public:
  RoundOperation(const Quantizer& value, const Quantizer& gradient) : value_(value), gradient_(gradient) {}
  // An alias, since autograd wants an output of its own.
  Tensors forward(const Tensors& inputs) override {
    return {value_.is_identity() ? inputs[0].detach() : rounded(inputs[0], value_)};
  }
  Tensors backward(const Tensors& gradients, const WantedGradients&) override {
    return {rounded(gradients[0], gradient_)};
  }

 private:
  Quantizer value_, gradient_;
};

}  // namespace

at::Tensor rounded(const at::Tensor& x, const Quantizer& quantizer) {
  if (quantizer.is_identity()) return x;
  const at::Tensor rows = x.dim() >= 2 ? x : x.unsqueeze(0);
  return dequantized(quantize(rows, quantizer, Contraction::LastAxis, RandomKey{})).view(x.sizes());
}

at::Tensor round_tensor(const at::Tensor& x, const Quantizer& value, const Quantizer& gradient) {
  PRECIPICE_CHECK(!is_stochastic(value.element.rounding) && !is_stochastic(gradient.element.rounding),
                  "element-wise results are rounded deterministically");
  if (value.is_identity() && gradient.is_identity()) return x;
  return run_operation(std::make_unique<RoundOperation>(value, gradient), {x})[0];
}

}  // namespace precipice
