// SPDX-License-Identifier: Apache-2.0
// Operands and sums of products times their scales, as calls on plain arrays. Host and device.
#pragma once

#include <cstdint>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/base/host_device.h"
#include "precision/calls/factor.h"

namespace precipice {

// The scales of an operand's rows; without data `fixed` is all of them.
struct RowScaleValues {
  OperandScales of_rows;
  Factor fixed;
  PRECIPICE_HD float operator()(std::int64_t row, std::int64_t block) const {
    return of_rows.data == nullptr
               ? fixed.value()
               : of_rows.data[row / of_rows.rows_per_scale * of_rows.row_stride + block * of_rows.block_stride];
  }
};

// y[m, n] = sums[m, n] (a[m] b[n]) where y is sums, else y[m, n] += that; contiguous, with the scales of a block of K.
struct ScaledSums {
  const float* sums = nullptr;
  float* y = nullptr;
  std::int64_t rows = 0, cols = 0;
  RowScaleValues a, b;
  std::int64_t block = 0;
};

// out = in * scales of rows and blocks of `block_k` columns, rows side by side, in fp32; either side may be bf16
// numbers, which the products then are: known before, or to be found out (`checks_bf16`).
struct ScaledNumbers {
  const void* in = nullptr;
  void* out = nullptr;
  bool in_bf16 = false, out_bf16 = false, checks_bf16 = false;
  std::int64_t rows = 0, cols = 0, block_rows = 1, block_k = 1;
  RowScaleValues scales;
};

}  // namespace precipice
