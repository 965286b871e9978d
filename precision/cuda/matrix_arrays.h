// SPDX-License-Identifier: Apache-2.0
// What the kernels of matrices (cuda_kernels.h) are called with beside the matrix: all arrays are device memory.
#pragma once

#include <cstdint>

#include "precision/calls/matrix_numbers.h"
#include "precision/calls/result_quantum.h"

namespace precipice {

// A matrix and where its results go.
struct MatrixArrays {
  const float* in;
  float* values;                // null when results are packed and nothing is rotated
  std::uint16_t* packed;        // or null
  float *scales, *multipliers;  // of blocks: of grid values, and (or null) of elements
};

// Where what is found out about a matrix goes, and how it follows from events and results (QuantizeTask::numbers()).
struct FoundNumbers {
  MatrixNumbers* numbers;  // of the device
  ResultQuantum quantum;
  int outer_max = 0;  // NVFP4's largest block scale, where there is an outer scale; else 0
};

}  // namespace precipice
