// SPDX-License-Identifier: Apache-2.0
// NVFP4 4over6 (precision/scaling/four_over_six.h) of one block by one thread: both candidates, the errors of their elements
// along the contraction in order, and the tree over the block's lines. Host and device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/cuda/matrix_parts.h"
#include "precision/scaling/scale_rule_formulas.h"

namespace precipice {

struct FourOverSixTrial {
  const MatrixCall& call;
  const float* in;
  const MatrixPart& part;
  const OuterScale& outer;

  PRECIPICE_HD BlockScale scale(float amax) const {
    const float base = amax / 6.0f * outer.encode;
    const Candidate four = candidate(1.5f * base), six = candidate(base);
    return error_of(four) < error_of(six) ? four.scale : six.scale;
  }

 private:
  struct Candidate {
    BlockScale scale;
    float block_scale;
  };
  PRECIPICE_HD Candidate candidate(float wanted) const {
    const float block_scale = scale_rule::te_block_scale(call.scales, wanted);
    return {scale_rule::te_nvfp4_of(call.scales, block_scale, outer), block_scale};
  }

  PRECIPICE_HD float error_of_element(const Candidate& c, std::int64_t row, std::int64_t col) const {
    const float given = *element_at(call, in, row, col), x = call.elements.through_bf16 ? to_bf16(call, given) : given;
    const float q = round_and_check<Rounding::NearestEven>(x * c.scale.multiply, call.elements.format, 0, 0).value;
    const float difference = q * c.block_scale * outer.amax / nvfp4_range(call.scales.block_scale_max) - x;
    if (call.four_over_six == FourOverSix::Mse) return difference * difference;
    return difference < 0.0f ? -difference : difference;
  }

  PRECIPICE_HD float error_of_line(const Candidate& c, std::int64_t line) const {
    float sum = 0.0f;
    if (call.shape.contraction == 1)
      for (std::int64_t col = part.first_col; col < part.end_col; ++col)
        sum += error_of_element(c, part.first_row + line, col);
    else
      for (std::int64_t row = part.first_row; row < part.end_row; ++row)
        sum += error_of_element(c, row, part.first_col + line);
    return sum;
  }

  // sums[l] += sums[l + distance] for distances from half of the lines down to 1: pairs of neighbours, and of their sums,
  // where lines come in the order of their reversed bits. Lines that are not there have 0.
  PRECIPICE_HD float error_of(const Candidate& c) const {
    constexpr int kMostBits = 8;  // 256 lines
    const std::int64_t count =
        call.shape.contraction == 1 ? part.end_row - part.first_row : part.end_col - part.first_col;
    int bits = 0;
    while (std::int64_t{1} << bits < count) ++bits;
    float sums[kMostBits + 1];
    for (std::int64_t i = 0; i < std::int64_t{1} << bits; ++i) {
      std::int64_t line = 0;
      for (int b = 0; b < bits; ++b) line |= (i >> b & 1) << (bits - 1 - b);
      float sum = line < count ? error_of_line(c, line) : 0.0f;
      int level = 0;
      for (; (i >> level & 1) != 0; ++level) sum = sums[level] + sum;
      sums[level] = sum;
    }
    return sums[bits];
  }
};

}  // namespace precipice
