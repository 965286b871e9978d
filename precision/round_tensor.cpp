// SPDX-License-Identifier: Apache-2.0
#include "precision/round_tensor.h"

#include <torch/csrc/autograd/custom_function.h>

#include "precision/check.h"
#include "precision/gemm.h"

namespace precipice {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// saved_data holds IValues: the gradient's quantizer travels in a capsule.
struct HeldConfig : torch::CustomClassHolder {
  explicit HeldConfig(const MatrixQuantizer& c) : config(c) {}
  MatrixQuantizer config;
};

at::Tensor rounded(const at::Tensor& x, const MatrixQuantizer& quantizer) {
  const at::Tensor rows = x.dim() >= 2 ? x : x.unsqueeze(0);
  return dequantized(quantize(rows, quantizer, Contraction::LastAxis, RandomKey{})).view(x.sizes());
}

struct RoundFunction : torch::autograd::Function<RoundFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const MatrixQuantizer& value,
                            const MatrixQuantizer& gradient) {
    ctx->saved_data["gradient"] = c10::IValue::make_capsule(c10::make_intrusive<HeldConfig>(gradient));
    // An alias, since autograd wants an output of its own.
    return value.is_identity() ? x.alias() : rounded(x, value);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto held = ctx->saved_data["gradient"].toCapsule();
    return {rounded(gradients[0], static_cast<const HeldConfig&>(*held).config), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor round_tensor(const at::Tensor& x, const MatrixQuantizer& value, const MatrixQuantizer& gradient) {
  PRECIPICE_CHECK(!is_stochastic(value.rounding) && !is_stochastic(gradient.rounding),
                  "element-wise results are rounded deterministically");
  if (value.is_identity() && gradient.is_identity()) return x;
  return RoundFunction::apply(x, value, gradient);
}

}  // namespace precipice
