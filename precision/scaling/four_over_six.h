// SPDX-License-Identifier: Apache-2.0
// NVFP4 4over6: a block's largest value is mapped to 6, the end of E2M1, or to 4, whichever dequantizes with less
// error; E2M1 has no value between 4 and 6. TransformerEngine custom_recipes/reference_nvfp4.py, every operation in
// binary32:
//   base = fl(fl(b / 6) Senc);  block scales e4m3(fl(1.5 base)) and e4m3(base);
//   error = sum |fl(fl(fl(q sf) G) / (6 M)) - x| or its square, along the contraction in order; the lines of a block
//   that has several are added in a tree, distances 8, 4, 2, 1. 4 is taken only where its error is smaller.
#pragma once

#include <cstdint>

#include "precision/scaling/scale_rules.h"

namespace precipice {

// Blocks side by side, in a matrix whose rows are `stride` apart.
struct BlockRow {
  const float* first;
  std::int64_t rows, cols, stride;
  std::int64_t block_cols;
  bool along_rows;  // lines of a block are rows, else columns; at most 256
};

// Scales of the blocks with these amaxes under one outer scale. `in_bf16`: elements are rounded to bf16 first.
void four_over_six_scales(const ScaleConstants& constants, const BlockRow& blocks, const float* amaxes,
                          const OuterScale& outer, FourOverSix metric, bool in_bf16, float* multiply, float* inverse);

}  // namespace precipice
