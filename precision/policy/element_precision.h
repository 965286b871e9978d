// SPDX-License-Identifier: Apache-2.0
// ElementPrecision: the formats of a model's results between its matmuls (round_tensor.h rounds to them).
#pragma once

#include "precision/scaling/matrix_quantizer.h"

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

}  // namespace precipice
