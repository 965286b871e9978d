// SPDX-License-Identifier: Apache-2.0
// A product of two quantized operands on an emulated accumulator, as a call of gemm_emulated(): what of an operand's
// format and scales the unit is told, and what acts on its sums. Free of torch; the numbers are where they lie.
#pragma once

#include <cstdint>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/format/float_format.h"

namespace precipice {

// A matrix of values on the element's grid, rows by the contraction, with its scales.
struct UnitOperand {
  GemmOperand numbers;  // emin is found out
  std::int64_t rows = 0, k = 0;
  std::int64_t block_k = 0;  // numbers along K to a scale; 0: scales do not change along K
  float outer = 1.0f;        // NVFP4: the part of every scale that belongs to the whole tensor
  FloatFormat format;        // the element's
};

// Throws ConfigError where scales change along K in blocks of different lengths; 0: they do not.
void check_equal_blocks(std::int64_t block_k, std::int64_t other_block_k);

// Whether the unit wants an operand's block scales by themselves (scales=groups), their tensor's part acting at the end.
bool takes_blocks_alone(const Accumulator& accumulator, float outer);
// NVFP4's E4M3 scales of blocks, from `size` scales that hold the tensor's part too. `out` may be `scales`.
void without_outer_scale(const float* scales, std::int64_t size, float outer, float* out);

// -> a b^T. Where takes_blocks_alone(), the operand's scales are already that. The caller adds where the result goes and
// the random words. Throws ConfigError as check_equal_blocks(); the unit must multiply the formats (unit_operands.h).
EmulatedGemm emulated_product(const UnitOperand& a, const UnitOperand& b, const Accumulator& accumulator);

}  // namespace precipice
