// SPDX-License-Identifier: Apache-2.0
// A product of the values of two operands on the carrier (carrier.h), whatever multiplies them (multiplier.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/calls/factor.h"
#include "precision/gemm/carrier.h"

namespace precipice {

// scale (a b^T) + bias
struct ValueProduct {
  const at::Tensor &a, &b;  // (..., M, K), (..., N, K), both fp32 or both bf16, any strides
  Factor scale = {};
  at::Tensor bias = {};  // undefined or (N)
  Causal causal = Causal::No;
  bool may_need_fp32 = false;             // bf16 operands of which some may be too small for bf16's instructions
  Factor a_quantum = {}, b_quantum = {};  // as in ProductCall (precision/quantize/machine.h)
  bool a_is_folded = false, b_is_folded = false;
};

// Whether the numbers of a row lie side by side and rows apart: what a carrier can write to.
bool has_rows_side_by_side(const at::Tensor& y);

// y (..., M, N), has_rows_side_by_side(): fp32; or bf16, of bf16 operands without scale and bias, on a device (ProductCall).
void multiply_values(const ValueProduct& product, const at::Tensor& y);

}  // namespace precipice
