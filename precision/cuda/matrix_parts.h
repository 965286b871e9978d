// SPDX-License-Identifier: Apache-2.0
// Elements and parts of a matrix as the threads of a GPU read them. Host and device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/cuda/quad.h"
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

// Of elements numbered without gaps.
PRECIPICE_HD void load_elements(const MatrixCall& call, const float* in, const Quad& quad, float (&to)[4]) {
  if (call.shape.row_stride == call.shape.cols) return load_quad(in, quad, to);
  for (int k = 0; k < 4; ++k) {
    if (!quad.has(k)) continue;
    const std::int64_t i = quad.first + k;
    to[k] = *element_at(call, in, i / call.shape.cols, i % call.shape.cols);
  }
}

// Rows first_row .. end_row - 1 of columns first_col .. end_col - 1.
struct MatrixPart {
  std::int64_t first_row, end_row, first_col, end_col;
};

PRECIPICE_HD std::int32_t largest_pattern(const MatrixCall& call, const float* in, const MatrixPart& part) {
  std::int32_t largest = 0;
  for (std::int64_t row = part.first_row; row < part.end_row; ++row)
    for (std::int64_t col = part.first_col; col < part.end_col; col += 4) {
      const Quad quad = quad_of(0, part.end_col - col);
      float x[4];
      load_quad(element_at(call, in, row, col), quad, x);
      for (int k = 0; k < 4; ++k) {
        if (!quad.has(k)) continue;
        const std::int32_t pattern = pattern_in<Binary32>(x[k]);
        largest = pattern > largest ? pattern : largest;
      }
    }
  return largest;
}

// Rounding is monotonic: the largest of the rounded elements is the rounded largest.
PRECIPICE_HD float amax_as_seen(const MatrixCall& call, float amax) {
  return call.elements.through_bf16 ? to_bf16(call, amax) : amax;
}

}  // namespace precipice
