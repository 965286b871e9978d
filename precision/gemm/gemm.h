// SPDX-License-Identifier: Apache-2.0
// The arithmetic behind a quantized matmul: grid values in, products summed, scales applied to the sums as hardware
// does: one product of scales for tensors and rows, one per block of K for blocks, in fp32. The carrier (carrier.h)
// takes operands as they are, so that only the summation order is the library's; an emulated accumulator has an order
// of its own (accumulator.h). A product is first planned (gemm_plan.h), then run.
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/accumulator/accumulator.h"
#include "precision/accumulator/emulated_gemm.h"
#include "precision/gemm/carrier.h"
#include "precision/gemm/gemm_arithmetic.h"
#include "precision/gemm/gemm_plan.h"
#include "precision/gemm/operand_scales.h"
#include "precision/quantize/quantize.h"

namespace precipice {

// Whether the product of operands of these kinds can run on bf16 instructions exactly: all but tensors with numbers too
// small for them (carrier.h), which go through fp32.
bool bf16_is_exact(const Quantizer& a, const Quantizer& b, const GemmArithmetic& arithmetic);
// Whether it will, on this CPU: then operands are quantized as bf16.
bool runs_on_bf16(const Quantizer& a, const Quantizer& b, const GemmArithmetic& arithmetic,
                  const MatmulCpu& cpu = matmul_cpu());

// What a product is to become beside its operands.
struct GemmResult {
  at::Tensor bias;  // undefined or (N), added to the scaled sums before the output is rounded
  at::Tensor out;   // undefined, or of the result's shape and any strides: filled and returned
  Causal causal = Causal::No;
  StepLedger* ledger = nullptr;  // on a device: of what is taken for granted of the operands
  // The product's type, in place of a pass that rounds: for an output that becomes_bf16() of bf16 operands without scales.
  bool as_bf16 = false;
};

// Whether an output is rounded to bf16 as a product does that gives bf16 numbers: nearest even, overflows to infinity.
bool becomes_bf16(const ElementQuantizer& output);

// A product that waits for its run: the operands as prepared, in the plan's order.
struct PlannedGemm {
  Quantized a, b;
  GemmArithmetic arithmetic;
  GemmResult result;
  GemmPlan plan;
};

// a (..., M, K), b (..., N, K), equal leading dimensions or none. Throws ConfigError where both have scales for blocks
// of K that differ in length and cannot be folded.
PlannedGemm plan_gemm(const Quantized& a, const Quantized& b, const GemmArithmetic& arithmetic,
                      const GemmResult& result);
// -> a b^T (..., M, N)
at::Tensor run_gemm(const PlannedGemm& gemm, const RandomKey& output_key);

// Both in one.
at::Tensor gemm(const Quantized& a, const Quantized& b, const at::Tensor& bias, const GemmArithmetic& arithmetic,
                const RandomKey& output_key, const at::Tensor& out = {}, Causal causal = Causal::No);

// What the emulated accumulator does for one output of 2-D operands, before bias and rounding.
OutputTrace trace_gemm(const Quantized& a, const Quantized& b, const GemmArithmetic& arithmetic, std::int64_t m,
                       std::int64_t n);

}  // namespace precipice
