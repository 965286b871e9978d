// SPDX-License-Identifier: Apache-2.0
// The arithmetic behind a quantized matmul: grid values in, products summed, scales applied to the sums as hardware
// does: one product of scales for tensors and rows, one per block of K for blocks, in fp32. The carrier (carrier.h)
// takes operands as they are, so that only the summation order is the library's; an emulated accumulator has an order
// of its own (accumulator.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/accumulator/accumulator.h"
#include "precision/gemm/carrier.h"
#include "precision/quantize/quantizer.h"

namespace precipice {

// Where scales act: on sums, or on the operands before the product (torchao's emulation, microxcaling). For powers of
// two both agree unless something over- or underflows.
enum class ScalesAct : std::uint8_t { Sums, Operands };

struct GemmArithmetic {
  Accumulator accumulator;
  ScalesAct scales = ScalesAct::Sums;
  MatrixQuantizer output;  // unscaled
  Carrier carrier = Carrier::Auto;
  bool operator==(const GemmArithmetic&) const = default;
};

// Whether the product of operands of these kinds can run on bf16 instructions exactly: all but tensors with numbers too
// small for them (carrier.h), which go through fp32.
bool bf16_is_exact(const MatrixQuantizer& a, const MatrixQuantizer& b, const GemmArithmetic& arithmetic);
// Whether it will, on this CPU: then operands are quantized as bf16.
bool runs_on_bf16(const MatrixQuantizer& a, const MatrixQuantizer& b, const GemmArithmetic& arithmetic);

// a (..., M, K), b (..., N, K), equal leading dimensions or none -> a b^T (..., M, N). bias: undefined or (N), added to
// the scaled sums before the output is rounded. With `out`, of the result's shape and any strides, that is filled and
// returned.
at::Tensor gemm(const Quantized& a, const Quantized& b, const at::Tensor& bias, const GemmArithmetic& arithmetic,
                const RandomKey& output_key, const at::Tensor& out = {}, Causal causal = Causal::No);

// Values times scales in fp32, the shape of `values`.
at::Tensor dequantized(const Quantized& q);

}  // namespace precipice
