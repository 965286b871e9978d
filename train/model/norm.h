// SPDX-License-Identifier: Apache-2.0
// LayerNorm and RMSNorm (row_kernels.h has the formulas) with their parameters and their precision: gains rounded
// before use (precision.norm_weights), the result and the gradient sent back rounded to the format of norms
// (precision.norm).
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

#include "precision/autograd/round_tensor.h"
#include "precision/policy/element_precision.h"
#include "train/config/architecture.h"

namespace precipice {

struct Norm {
  NormKind kind = NormKind::Layer;
  at::Tensor weight, bias;  // (C); no bias: undefined
};

// Over the last dimension of x, which has the size of the gains.
at::Tensor normalise(const at::Tensor& x, const Norm& norm, double eps, const ElementPrecision& elements);

// An addition to the residual stream and the norm that reads it, in one pass: round(x + y) in the format of the stream,
// and that normalised.
std::pair<at::Tensor, at::Tensor> add_and_normalise(const at::Tensor& x, const at::Tensor& y, const Norm& norm,
                                                    double eps, const ElementPrecision& elements);

}  // namespace precipice
