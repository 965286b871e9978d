// SPDX-License-Identifier: Apache-2.0
// A normalisation with its parameters and its precision: gains rounded before use (precision.norm_weights), the result
// and the gradient sent back rounded to the format of norms (precision.norm).
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/round_tensor.h"

namespace precipice {

enum class NormKind : std::uint8_t { Layer, Rms };

struct Norm {
  NormKind kind = NormKind::Layer;
  at::Tensor weight, bias;  // (C); no bias: undefined
};

// Over the last dimension of x, which has the size of the gains.
at::Tensor normalise(const at::Tensor& x, const Norm& norm, double eps, const ElementPrecision& elements);

}  // namespace precipice
