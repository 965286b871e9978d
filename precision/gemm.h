// SPDX-License-Identifier: Apache-2.0
// The arithmetic behind a quantized matmul: grid values in, products summed, scales applied to the sums as hardware
// does: one product of scales for tensors and rows, one per block of K for blocks, in fp32. Carrier: fp32. Every grid
// value is an fp32 number, so the operands are exact and only the summation order is the library's; an emulated
// accumulator has an order of its own (accumulator.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/accumulator.h"
#include "precision/quantizer.h"

namespace precipice {

// Where scales act: on sums, or on the operands before the product (torchao's emulation, microxcaling). For powers of
// two both agree unless something over- or underflows.
enum class ScalesAct : std::uint8_t { Sums, Operands };

struct GemmArithmetic {
  Accumulator accumulator;
  ScalesAct scales = ScalesAct::Sums;
  MatrixQuantizer output;  // unscaled
  bool operator==(const GemmArithmetic&) const = default;
};

// a (..., M, K), b (..., N, K), equal leading dimensions or none -> a b^T (..., M, N). bias: undefined or (N), added to
// the scaled sums before the output is rounded.
at::Tensor gemm(const Quantized& a, const Quantized& b, const at::Tensor& bias, const GemmArithmetic& arithmetic,
                const RandomKey& output_key);

// Values times scales in fp32, the shape of `values`.
at::Tensor dequantized(const Quantized& q);

}  // namespace precipice
