// SPDX-License-Identifier: Apache-2.0
// The start of the residual stream: rows of the embedding, plus those of the positions where there are any, rounded to
// the stream's format.
#pragma once

#include "precision/autograd/round_tensor.h"

namespace precipice {

// tokens (B, T) int64, weight (V, C), positions (>= T, C) or undefined  ->  (B, T, C)
at::Tensor embed(const at::Tensor& tokens, const at::Tensor& weight, const at::Tensor& positions,
                 const ElementQuantizer& residual);

}  // namespace precipice
