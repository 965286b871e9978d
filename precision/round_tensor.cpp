// SPDX-License-Identifier: Apache-2.0
#include "precision/round_tensor.h"

#include <torch/csrc/autograd/custom_function.h>

#include "precision/check.h"

namespace precipice {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// saved_data holds IValues: the gradient's quantizer travels in a capsule.
struct HeldConfig : torch::CustomClassHolder {
  explicit HeldConfig(const QuantizerConfig& c) : config(c) {}
  QuantizerConfig config;
};

at::Tensor rounded(const at::Tensor& x, const QuantizerConfig& config) {
  Quantized q = quantize(x, config, RandomKey{});
  if (q.scale_inv != 1.0f) q.values.mul_(q.scale_inv);
  return q.values;
}

struct RoundFunction : torch::autograd::Function<RoundFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const QuantizerConfig& value,
                            const QuantizerConfig& gradient) {
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

at::Tensor round_tensor(const at::Tensor& x, const QuantizerConfig& value, const QuantizerConfig& gradient) {
  PRECIPICE_CHECK(!value.is_stochastic() && !gradient.is_stochastic(),
                  "element-wise results are rounded deterministically");
  if (value.is_identity() && gradient.is_identity()) return x;
  return RoundFunction::apply(x, value, gradient);
}

}  // namespace precipice
