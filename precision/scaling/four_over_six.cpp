// SPDX-License-Identifier: Apache-2.0
// Both candidates of all blocks, the errors of their elements piece by piece, and the sums of them in the peer's order.
#include "precision/scaling/four_over_six.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "precision/base/check.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/scaling/scale_formulas.h"

namespace precipice {
namespace {

constexpr std::int64_t kMaxLines = 256;
constexpr std::int64_t kTrialPiece = 1024;

// Scales of one candidate, and sums of errors by line.
struct Candidate {
  explicit Candidate(std::int64_t blocks, std::int64_t lines)
      : wanted(static_cast<std::size_t>(blocks)),
        block_scales(wanted.size()),
        multiply(wanted.size()),
        inverse(wanted.size()),
        sums(static_cast<std::size_t>(lines), 0.0f) {}

  std::vector<float> wanted, block_scales, multiply, inverse;
  std::vector<float> sums;  // of line l of block b: [l * blocks + b], or of a column
};

class Choice {
 public:
  Choice(const ScaleConstants& c, const BlockRow& row, const OuterScale& outer, bool squared, bool in_bf16)
      : row_(row),
        blocks_((row.cols + row.block_cols - 1) / row.block_cols),
        amax_(outer.amax),
        range_(nvfp4_range(c.block_scale_max)),
        squared_(squared),
        in_bf16_(in_bf16) {}

  std::int64_t blocks() const { return blocks_; }
  std::int64_t lines() const { return row_.along_rows ? row_.rows * blocks_ : row_.cols; }

  // Elements of a line one after the other, whatever the pieces.
  void add_errors(Candidate& candidate) const {
    float multipliers[kTrialPiece], block_scales[kTrialPiece], staged[kTrialPiece], errors[kTrialPiece];
    const BlockKernels& kernels = active_kernels().blocks;
    const std::int64_t width = row_.block_cols;
    for (std::int64_t begin = 0; begin < row_.cols;) {
      // Whole blocks, or a part of one.
      const std::int64_t block = begin / width;
      const std::int64_t most =
          width <= kTrialPiece ? kTrialPiece / width * width : std::min(kTrialPiece, (block + 1) * width - begin);
      const std::int64_t size = std::min(most, row_.cols - begin);
      kernels.expand(candidate.multiply.data() + block, width, multipliers, size);
      kernels.expand(candidate.block_scales.data() + block, width, block_scales, size);
      for (std::int64_t r = 0; r < row_.rows; ++r) {
        const float* in = row_.first + r * row_.stride + begin;
        if (in_bf16_) {
          kernels.to_bf16(in, staged, size);
          in = staged;
        }
        kernels.nvfp4_errors(in, size, multipliers, block_scales, amax_, range_, squared_, errors);
        if (row_.along_rows)
          add_to_blocks(errors, begin, size, candidate.sums.data() + r * blocks_);
        else
          for (std::int64_t i = 0; i < size; ++i) candidate.sums[static_cast<std::size_t>(begin + i)] += errors[i];
      }
      begin += size;
    }
  }

  float error_of(const Candidate& candidate, std::int64_t block) const {
    float sums[kMaxLines];
    const std::int64_t first = block * row_.block_cols;
    const std::int64_t count = row_.along_rows ? row_.rows : std::min(row_.block_cols, row_.cols - first);
    for (std::int64_t l = 0; l < count; ++l)
      sums[l] = candidate.sums[static_cast<std::size_t>(row_.along_rows ? l * blocks_ + block : first + l)];
    const auto lines = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(count)));
    std::fill(sums + count, sums + lines, 0.0f);
    for (std::int64_t distance = lines / 2; distance > 0; distance /= 2) {
      for (std::int64_t line = 0; line < distance; ++line) sums[line] += sums[line + distance];
    }
    return sums[0];
  }

 private:
  void add_to_blocks(const float* errors, std::int64_t begin, std::int64_t size, float* sums) const {
    for (std::int64_t i = 0; i < size;) {
      const std::int64_t block = (begin + i) / row_.block_cols;
      const std::int64_t end = std::min(size, (block + 1) * row_.block_cols - begin);
      float sum = sums[block];
      for (; i < end; ++i) sum += errors[i];
      sums[block] = sum;
    }
  }

  const BlockRow& row_;
  std::int64_t blocks_;
  float amax_, range_;
  bool squared_, in_bf16_;
};

}  // namespace

void four_over_six_scales(const ScaleConstants& c, const BlockRow& row, const float* amaxes, const OuterScale& outer,
                          FourOverSix metric, bool in_bf16, float* multiply, float* inverse) {
  const std::int64_t lines = row.along_rows ? row.rows : row.block_cols;
  PRECIPICE_CHECK(lines <= kMaxLines, "a block of ", lines, " lines");
  const Choice choice(c, row, outer, metric == FourOverSix::Mse, in_bf16);
  const std::int64_t blocks = choice.blocks();
  Candidate four(blocks, choice.lines()), six(blocks, choice.lines());
  for (std::int64_t b = 0; b < blocks; ++b) {
    const float sixth = amaxes[b] / 6.0f;
    const float base = sixth * outer.encode;
    four.wanted[static_cast<std::size_t>(b)] = 1.5f * base;
    six.wanted[static_cast<std::size_t>(b)] = base;
  }
  for (Candidate* candidate : {&four, &six}) {
    te_nvfp4_scales(c, candidate->wanted.data(), static_cast<int>(blocks), outer, candidate->block_scales.data(),
                    candidate->multiply.data(), candidate->inverse.data());
    choice.add_errors(*candidate);
  }
  for (std::int64_t b = 0; b < blocks; ++b) {
    const Candidate& chosen = choice.error_of(four, b) < choice.error_of(six, b) ? four : six;
    multiply[b] = chosen.multiply[static_cast<std::size_t>(b)];
    inverse[b] = chosen.inverse[static_cast<std::size_t>(b)];
  }
}

}  // namespace precipice
