// SPDX-License-Identifier: Apache-2.0
// Softmax over the past: p_ij = exp(s a_ij) / sum_{k <= i} exp(s a_ik) for j <= i, 0 beyond; one node instead of scale,
// mask and softmax. Gradient: da_ij = s p_ij (dp_ij - sum_k p_ik dp_ik).
#pragma once

#include <ATen/core/Tensor.h>

namespace precipice {

// scores: (B, H, T, T) fp32. NaN in a row's past makes the row NaN; what lies beyond the diagonal is never read.
at::Tensor causal_softmax(const at::Tensor& scores, double scale);

}  // namespace precipice
