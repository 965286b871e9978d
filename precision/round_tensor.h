// SPDX-License-Identifier: Apache-2.0
// Rounding of element-wise results, where no matmul does it: y = round(x), with the straight-through gradient
// dx = round'(dy). Microscaling studies call it the vector format (microxcaling's bfloat and mx_specs "elemwise" ops).
#pragma once

#include "precision/quantizer.h"

namespace precipice {

// The formats of what happens between matmuls; fp32 everywhere by default. A result of an operation is rounded on its
// way forward, and what the operation sends back is rounded on its way backward, both to one format.
struct ElementPrecision {
  MatrixQuantizer vector;        // activation functions, products, rotary embedding
  MatrixQuantizer residual;      // the residual stream: embedding sum and every addition to it
  MatrixQuantizer softmax;       // attention weights before they meet the values
  MatrixQuantizer norm;          // LayerNorm and RMSNorm
  MatrixQuantizer norm_weights;  // gains (and biases) of the norms before use; their gradients stay as they are
  MatrixQuantizer rope_table;    // sines and cosines of the rotary embedding
  bool operator==(const ElementPrecision&) const = default;
};

// Without autograd: x itself where nothing is rounded.
at::Tensor rounded(const at::Tensor& x, const MatrixQuantizer& quantizer);

// Deterministic quantizers only: there are no random words here. A quantizer that rounds nothing adds no node, so with
// both identities the result is x itself. Scaled quantizers give scale_inv * grid value.
at::Tensor round_tensor(const at::Tensor& x, const MatrixQuantizer& value, const MatrixQuantizer& gradient);

inline at::Tensor round_tensor(const at::Tensor& x, const MatrixQuantizer& both) {
  return round_tensor(x, both, both);
}
// y = x; dx = round(dy): the result that the operation which takes y sends back.
inline at::Tensor round_gradient(const at::Tensor& x, const MatrixQuantizer& gradient) {
  return round_tensor(x, MatrixQuantizer{}, gradient);
}

}  // namespace precipice
