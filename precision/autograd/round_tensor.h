// SPDX-License-Identifier: Apache-2.0
// Rounding of element-wise results, where no matmul does it: y = round(x), with the straight-through gradient
// dx = round'(dy). Microscaling studies call it the vector format (microxcaling's bfloat and mx_specs "elemwise" ops).
#pragma once

#include "precision/quantize/quantize.h"

namespace precipice {

// Without autograd: x itself where nothing is rounded.
at::Tensor rounded(const at::Tensor& x, const Quantizer& quantizer);

// Deterministic quantizers only: there are no random words here. A quantizer that rounds nothing adds no node, so with
// both identities the result is x itself. Scaled quantizers give scale_inv * grid value.
at::Tensor round_tensor(const at::Tensor& x, const Quantizer& value, const Quantizer& gradient);

inline at::Tensor round_tensor(const at::Tensor& x, const Quantizer& both) {
  return round_tensor(x, both, both);
}
// y = x; dx = round(dy): the result that the operation which takes y sends back.
inline at::Tensor round_gradient(const at::Tensor& x, const Quantizer& gradient) {
  return round_tensor(x, Quantizer{}, gradient);
}

}  // namespace precipice
