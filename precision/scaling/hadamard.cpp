// SPDX-License-Identifier: Apache-2.0
// Walks a matrix in groups of 16 along its contraction.
#include "precision/scaling/hadamard.h"

#include <algorithm>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {
namespace {

constexpr std::int64_t kRowSlab = 1024;

void rotate_rows(const BlockKernels& kernels, const float* in, float* out, std::int64_t cols, bool through_bf16) {
  float staged[kRowSlab];
  for (std::int64_t c = 0; c < cols; c += kRowSlab) {
    const std::int64_t width = std::min(kRowSlab, cols - c);
    const float* source = in + c;
    if (through_bf16) {
      kernels.to_bf16(source, staged, width);
      source = staged;
    }
    kernels.rotate_row(source, out + c, width / kHadamard);
    if (through_bf16) kernels.to_bf16(out + c, out + c, width);
  }
}

void rotate_16_rows(const BlockKernels& kernels, const float* in, float* out, std::int64_t cols, bool through_bf16) {
  const float* source = in;
  if (through_bf16) {
    kernels.to_bf16(in, out, kHadamard * cols);
    source = out;
  }
  kernels.rotate_columns(source, out, cols, cols);
  if (through_bf16) kernels.to_bf16(out, out, kHadamard * cols);
}

}  // namespace

void rotate(const float* in, float* out, const MatrixShape& shape, bool through_bf16, std::int64_t first_row,
            std::int64_t last_row) {
  Quantizer rotation;
  rotation.hadamard = true;
  block_grid(rotation, shape);
  const BlockKernels& kernels = active_kernels().blocks;
  const std::int64_t step = shape.contraction == 1 ? 1 : kHadamard;
  PRECIPICE_CHECK(first_row % step == 0 && last_row % step == 0 && last_row <= shape.rows, "rows ", first_row, " to ",
                  last_row, " of ", shape.rows);
  for (std::int64_t row = first_row; row < last_row; row += step) {
    const float* from = in + row * shape.cols;
    float* to = out + row * shape.cols;
    if (step == 1)
      rotate_rows(kernels, from, to, shape.cols, through_bf16);
    else
      rotate_16_rows(kernels, from, to, shape.cols, through_bf16);
  }
}

void rotate(const float* in, float* out, const MatrixShape& shape, bool through_bf16) {
  rotate(in, out, shape, through_bf16, 0, shape.rows);
}

}  // namespace precipice
