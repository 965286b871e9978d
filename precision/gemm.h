// SPDX-License-Identifier: Apache-2.0
// The arithmetic behind a quantized matmul: grid values in, products summed in fp32, scales applied to the sums.
// Carrier: fp32. Every grid value is an fp32 number, so the operands are exact and only the summation order is the
// library's.
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/quantizer.h"

namespace precipice {

// a (..., M, K), b (..., K, N), equal leading dimensions or none; strides are free. bias: undefined or (N), added to
// the scaled sums before the output is rounded.
at::Tensor gemm(const Quantized& a, const Quantized& b, const at::Tensor& bias, const QuantizerConfig& output,
                const RandomKey& output_key);

}  // namespace precipice
