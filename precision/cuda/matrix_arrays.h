// SPDX-License-Identifier: Apache-2.0
// What the kernels of matrices with scales (CudaMatrixKernels, cuda_kernels.h) are called with: all arrays are device memory.
#pragma once

#include <cstdint>

#include "precision/accumulator/emulated_gemm.h"

namespace precipice {

// A matrix and where its results go.
struct MatrixArrays {
  const float* in;
  float* values;                // null when results are packed and nothing is rotated
  std::uint16_t* packed;        // or null
  float *scales, *multipliers;  // of blocks: of grid values, and (or null) of elements
};

// The scales of an operand's rows; without data `fixed` is all of them.
struct ScalesOnDevice {
  OperandScales of_rows;
  float fixed = 1.0f;
};

// y[m, n] = sums[m, n] (a[m] b[n]) where y is sums, else y[m, n] += that; contiguous, with the scales of a block of K.
struct ScaledSumsOnDevice {
  const float* sums;
  float* y;
  std::int64_t rows, cols;
  ScalesOnDevice a, b;
  std::int64_t block;
};

// out = in * scales of blocks of block_rows x block_k, in fp32; either side may be bf16 numbers, which the products then
// are: known before, or to be found out (`checks_bf16`).
struct ScaledNumbersOnDevice {
  const void* in;
  void* out;
  bool in_bf16, out_bf16, checks_bf16;
  std::int64_t rows, cols, block_rows, block_k;
  ScalesOnDevice scales;
};

}  // namespace precipice
