// SPDX-License-Identifier: Apache-2.0
// The random Hadamard transform of NVFP4's wgrad operands: groups of 16 elements along the contraction, as row vectors,
// times diag(s) H / 4 with H Sylvester's matrix and one fixed sign vector s (TransformerEngine
// custom_recipes/reference_nvfp4.py; arXiv 2509.25149 section 4.2). Orthogonal: a product of two rotated operands is
// the product of the operands, up to rounding. Each output is sum over k of x[k] * m[k][j] in binary32, from k = 0 up,
// starting at +0: the order of a GEMM with one accumulator per output.
#pragma once

#include <cstdint>

#include "precision/kernels/hadamard_matrix.h"
#include "precision/scaling/quantizer.h"

namespace precipice {

// Rotates rows first_row .. last_row - 1 of a matrix (in steps of 16 when the contraction is axis 0) in its own layout;
// in may be out. through_bf16: the input is rounded to bf16 first and the result afterwards. Throws ConfigError when
// the contraction is not a multiple of 16.
void rotate(const float* in, float* out, const MatrixShape& shape, bool through_bf16, std::int64_t first_row,
            std::int64_t last_row);
void rotate(const float* in, float* out, const MatrixShape& shape, bool through_bf16);

}  // namespace precipice
