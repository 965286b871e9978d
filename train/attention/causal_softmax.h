// SPDX-License-Identifier: Apache-2.0
// Softmax over the past: p_ij = exp(c s_ij) / sum_{k <= i} exp(c s_ik) for j <= i, 0 for j > i, with gradient
// ds_ij = c p_ij (dp_ij - sum_k p_ik dp_ik). Both in place, in fp32, one pass instead of scale, mask and softmax.
#pragma once

#include <ATen/core/Tensor.h>

namespace precipice {

// scores (..., T, T), contiguous, become p.
void causal_softmax(at::Tensor& scores, double scale);
// dp (..., T, T), contiguous, become ds. `deltas` (..., T): where they are defined, in place of the sums of p dp.
void causal_softmax_backward(const at::Tensor& p, at::Tensor& dp, double scale, const at::Tensor& deltas = {});

}  // namespace precipice
