// SPDX-License-Identifier: Apache-2.0
// Matmul as an autograd function with six operand slots (policy.h). Linears and the two batched attention products go
// through it; the gradients are those of the exact product (straight-through), computed from the quantized operands.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "precision/policy.h"
#include "precision/quantizer.h"
#include "precision/scale_states.h"

namespace precipice {

// The slots, and the three outputs: numbers of random streams and of what an observer is told.
enum class Slot : std::uint16_t { FpropX, FpropW, DgradDy, DgradW, WgradDy, WgradX, FpropOut, DgradOut, WgradOut };

class QuantizationObserver {
 public:
  virtual ~QuantizationObserver() = default;
  virtual void observe(std::size_t site, Slot slot, const EventCounts& events) = 0;
  // An operand before it is quantized, if it is.
  virtual void see(std::size_t /*site*/, Slot /*slot*/, const at::Tensor& /*operand*/) {}
  // An operand as the slot's product takes it: values on the element's grid and their scales, rows, then the
  // contraction. Where nothing is rounded it is not called; where two slots share a quantization, it is called for
  // each. `operand`: in the same orientation; undefined for the second of two that share, and where it was rotated.
  virtual void take(std::size_t /*site*/, Slot /*slot*/, const at::Tensor& /*operand*/, const Quantized& /*taken*/) {}
};

// Where a matmul stands. Passed by value; `precision` and `observer` outlive the backward pass.
struct MatmulSite {
  const SitePrecision* precision = nullptr;
  std::size_t site = 0;
  std::uint64_t seed = 0;  // of stochastic rounding
  std::uint32_t step = 0;
  bool evaluation = false;                   // validation passes draw from streams of their own
  QuantizationObserver* observer = nullptr;  // null: nobody looks
  ScaleStates* scales = nullptr;             // of delayed scaling; null: scales stay at their initial values
};

// x (..., K), w (N, K), bias undefined or (N)  ->  (..., N)
at::Tensor quantized_linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias, const MatmulSite& site);

// x (..., M, K), w (..., N, K) with equal leading dimensions  ->  (..., M, N) = x w^T
at::Tensor quantized_matmul(const at::Tensor& x, const at::Tensor& w, const MatmulSite& site);

}  // namespace precipice
