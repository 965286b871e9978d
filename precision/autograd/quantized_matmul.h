// SPDX-License-Identifier: Apache-2.0
// Matmul with six operand slots (policy.h), for autograd and as a part of larger operations. Linears and the two
// batched attention products go through it; the gradients are those of the exact product (straight-through), computed
// from the quantized operands.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "precision/gemm/gemm.h"
#include "precision/policy/policy.h"
#include "precision/quantize/quantize.h"
#include "precision/quantize/step_ledger.h"
#include "precision/scaling/scale_states.h"

namespace precipice {

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

// Is told of each product as it is planned; unlike a QuantizationObserver it changes nothing of how products are made.
class ProductObserver {
 public:
  virtual ~ProductObserver() = default;
  virtual void multiply(std::size_t site, Pass pass, const ProductKind& kind) = 0;
};

// Where a matmul stands. Passed by value; `precision` and the observers outlive the backward pass.
struct MatmulSite {
  const SitePrecision* precision = nullptr;
  std::size_t site = 0;
  std::uint64_t seed = 0;  // of stochastic rounding
  std::uint32_t step = 0;
  bool evaluation = false;                   // validation passes draw from streams of their own
  QuantizationObserver* observer = nullptr;  // null: nobody looks
  ScaleStates* scales = nullptr;             // of delayed scaling; null: scales stay at their initial values
  ProductObserver* products = nullptr;       // null: nobody is told
  StepLedger* ledger = nullptr;              // for a device's numbers; null: what is wanted is waited for at once
  const std::uint32_t* step_at = nullptr;    // RandomKey's
};

// The random stream of a slot or output.
RandomKey slot_key(const MatmulSite& site, Slot slot);

// x as a slot's product takes it; observers and delayed scales are told. `known_amax`: QuantizeOptions::amax.
Quantized quantize_slot(const at::Tensor& x, const Quantizer& quantizer, Contraction contraction,
                        const MatmulSite& site, Slot slot, bool as_bf16, const float* known_amax = nullptr);

// What of y = x w^T knows nothing of the future, where x or y is a matrix of pairs of positions: of y only y[m, n] with
// n <= m is wanted and the rest not specified, its gradient being zero there, or x[m, k] is zero for k > m.
enum class CausalPart : std::uint8_t { None, Y, X };

// One matmul without autograd. Between forward and backward it keeps an operand as it was or, where both passes use one
// quantization, as it was quantized.
class QuantizedProduct {
 public:
  explicit QuantizedProduct(const MatmulSite& site, CausalPart causal = CausalPart::None)
      : site_(site), causal_(causal) {}

  // x (..., M, K), w (..., N, K), both 2-D or both batched, bias undefined or (N)  ->  (..., M, N) = x w^T + bias. With
  // `out`, of that shape and any strides, that is filled and returned.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias = {}, const at::Tensor& out = {});
  // The same as bf16 numbers, where is_bf16_outside(); backward's dy is then of that type.
  at::Tensor forward_in_bf16(const at::Tensor& x, const at::Tensor& w);

  // The same by parts of the contraction: take(begin, y) is given the product of the `size` columns from `begin` on, in
  // fp32 and not rounded, of all rows, or with CausalPart::X of those from `begin` on (the others' are zero). Operands
  // have no scales. x is not kept: before a backward pass it is replaced.
  void forward_by_parts(const at::Tensor& x, const at::Tensor& w, std::int64_t size,
                        const std::function<void(std::int64_t begin, const at::Tensor& y)>& take);
  // Rounds, in place, what its parts have become to fprop's output.
  void round_product(const at::Tensor& y) const;
  // What the backward pass takes for x in place of forward's.
  void replace_x(const at::Tensor& x) { x_ = {x, {}}; }

  // dy (..., M, N), fp32 or, rounded by whoever made it, bf16. What is not needed stays undefined.
  struct Needs {
    bool dx = true, dw = true;
    at::Tensor dx_out = {}, dw_out = {};
  };
  struct Gradients {
    at::Tensor dx, dw;
  };
  Gradients backward(const at::Tensor& dy, const Needs& needs);

 private:
  struct Operand {
    at::Tensor original;  // undefined: `quantized` serves
    Quantized quantized;
  };
  at::Tensor forward_as(const GemmResult& result, const at::Tensor& x, const at::Tensor& w);
  // dy as the product for dx takes it.
  Quantized quantized_gradient(const at::Tensor& dy, bool as_bf16) const;
  static Operand kept(bool shared, const at::Tensor& original, Quantized& quantized);
  Quantized requantize(const Operand& operand, const Quantizer& quantizer, Slot slot, bool as_bf16) const;
  // `if_y`, `if_x`: what of a product with an operand rounded by `quantizer` is zero for each causal part.
  Causal causal(const Quantizer& quantizer, Causal if_y, Causal if_x) const;
  at::Tensor multiply(Pass pass, const Quantized& a, const Quantized& b, const GemmResult& result) const;
  at::Tensor multiply(Pass pass, const GemmArithmetic& arithmetic, const Quantized& a, const Quantized& b,
                      const GemmResult& result) const;

  MatmulSite site_;
  CausalPart causal_;
  Operand x_, w_;
};

// Whether the outputs of a linear without bias on x's device can be bf16 numbers in memory, and their gradient too, with the
// bits of fp32 numbers that are rounded by passes of their own: both are rounded to bf16 and to nothing else, products take
// such operands, and nobody looks on. On a device only.
bool is_bf16_outside(const MatmulSite& site, const at::Tensor& x);
// x (..., K), w (N, K)  ->  (..., N), bf16, where is_bf16_outside()
at::Tensor bf16_linear(const at::Tensor& x, const at::Tensor& w, const MatmulSite& site);

// x (..., K), w (N, K), bias undefined or (N)  ->  (..., N)
at::Tensor quantized_linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias, const MatmulSite& site);

// x (..., M, K), w (..., N, K) with equal leading dimensions  ->  (..., M, N) = x w^T
at::Tensor quantized_matmul(const at::Tensor& x, const at::Tensor& w, const MatmulSite& site);

}  // namespace precipice
