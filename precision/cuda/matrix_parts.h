// SPDX-License-Identifier: Apache-2.0
// Elements and parts of a matrix as the threads of a GPU read them. Host and device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/cuda/quantize_launch.h"
#include "precision/rounding/round_to_format.h"
#include "precision/scaling/matrix_call.h"

namespace precipice {

PRECIPICE_HD float to_bf16(const MatrixCall& call, float x) {
  return round_and_check<Rounding::NearestEven, false>(x, call.elements.bf16, 0, 0).value;
}

PRECIPICE_HD const float* element_at(const MatrixCall& call, const float* in, std::int64_t row, std::int64_t col) {
  return in + row * call.shape.row_stride + col;
}

// Rows first_row .. end_row - 1 of columns first_col .. end_col - 1.
struct MatrixPart {
  std::int64_t first_row, end_row, first_col, end_col;
};

PRECIPICE_HD std::int32_t largest_pattern(const MatrixCall& call, const float* in, const MatrixPart& part) {
  std::int32_t largest = 0;
  for (std::int64_t row = part.first_row; row < part.end_row; ++row)
    for (std::int64_t col = part.first_col; col < part.end_col; ++col) {
      const std::int32_t pattern = pattern_in<Binary32>(*element_at(call, in, row, col));
      largest = pattern > largest ? pattern : largest;
    }
  return largest;
}

// Rounding is monotonic: the largest of the rounded elements is the rounded largest.
PRECIPICE_HD float amax_as_seen(const MatrixCall& call, float amax) {
  return call.elements.through_bf16 ? to_bf16(call, amax) : amax;
}

}  // namespace precipice
