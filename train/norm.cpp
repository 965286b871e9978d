// SPDX-License-Identifier: Apache-2.0
#include "train/norm.h"

#include <ATen/ops/layer_norm.h>

#include "train/rms_norm.h"

namespace precipice {

at::Tensor normalise(const at::Tensor& x, const Norm& norm, double eps, const ElementPrecision& elements) {
  const auto parameter = [&](const at::Tensor& value) {
    return value.defined() ? round_tensor(value, elements.norm_weights, {}) : value;
  };
  const at::Tensor input = round_gradient(x, elements.norm), weight = parameter(norm.weight);
  const at::Tensor y = norm.kind == NormKind::Rms
                           ? rms_norm(input, weight, eps)
                           : at::layer_norm(input, weight.sizes(), weight, parameter(norm.bias), eps);
  return round_tensor(y, elements.norm);
}

}  // namespace precipice
