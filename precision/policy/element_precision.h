// SPDX-License-Identifier: Apache-2.0
// ElementPrecision: the formats of a model's results between its matmuls (round_tensor.h rounds to them).
#pragma once

#include "precision/scaling/quantizer.h"

namespace precipice {

// The formats of what happens between matmuls; fp32 everywhere by default. A result of an operation is rounded on its
// way forward, and what the operation sends back is rounded on its way backward, both to one format.
template <class Scaled>
struct ElementPrecisionOf {
  ElementQuantizer vector;      // activation functions, products, rotary embedding
  ElementQuantizer residual;    // the residual stream: embedding sum and every addition to it
  ElementQuantizer softmax;     // attention weights before they meet the values
  ElementQuantizer norm;        // LayerNorm and RMSNorm
  Scaled norm_weights;          // gains (and biases) of the norms before use; their gradients stay as they are
  ElementQuantizer rope_table;  // sines and cosines of the rotary embedding
  bool operator==(const ElementPrecisionOf&) const = default;
};
using ElementPrecision = ElementPrecisionOf<Quantizer>;

}  // namespace precipice
