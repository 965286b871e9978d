// SPDX-License-Identifier: Apache-2.0
// The rows of flash attention (precision/policy/flash_attention.h has the formulas and their source): weights of key
// blocks under a running maximum, what has been summed up of them, and the weights again in the backward pass. Scores
// are those before scale and mask.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "precision/policy/flash_attention.h"

namespace precipice {

// What is known of some rows.
struct OnlineRows {
  OnlineRows(std::int64_t rows, std::int64_t blocks)
      : factors(static_cast<std::size_t>(rows * blocks)),
        sums(factors.size()),
        totals(static_cast<std::size_t>(rows)) {}
  std::vector<float> factors;  // (rows, blocks): maxima until finish(), then exp(m' - m)
  std::vector<float> sums;     // (rows, blocks): of a block's weights
  std::vector<float> totals;   // (rows): l
};

class FlashSoftmax {
 public:
  // `weights`: what they are multiplied as, without a scale.
  FlashSoftmax(const FlashAttention& flash, const ElementQuantizer& weights, std::int64_t length, double scale);
  std::int64_t block() const { return block_; }  // keys, no more than there are
  std::int64_t blocks() const { return (length_ + block_ - 1) / block_; }

  // Rows first_row .. last_row - 1 of square matrices, of which `scores` and `weights` (which may be the same) point at
  // the first: scores become weights that are not normalised, and rows `at` and on of `known` their maxima and sums.
  void weigh(const float* scores, float* weights, OnlineRows& known, std::int64_t at, std::int64_t first_row,
             std::int64_t last_row) const;
  // All blocks of all rows are weighed: log_sums (rows) becomes L.
  void finish(OnlineRows& known, float* log_sums) const;
  // acc (rows, depth) of rows from `first_row` on takes up y (rows, depth), the block's weights times its values, which
  // is rounded. The first block's acc is written, not read.
  void add(const OnlineRows& known, std::int64_t block, std::int64_t first_row, std::int64_t rows, std::int64_t depth,
           float* y, float* acc) const;
  // acc / l
  static void divide(const OnlineRows& known, std::int64_t first_row, std::int64_t rows, std::int64_t depth,
                     float* acc);
  // Weights, normalised, of scores; rows and pointers as above.
  void recall(const float* scores, const float* log_sums, float* weights, std::int64_t first_row,
              std::int64_t last_row) const;

 private:
  void sum_rounded(float* weights, float* sums, std::int64_t rows) const;

  ElementQuantizer sums_, weights_;
  std::int64_t length_, block_;
  float scale_, beta_;
};

// rowsum(dO * O): both (B, T, H, D), fp32, contiguous  ->  (B, H, T)
at::Tensor flash_deltas(const at::Tensor& gradient, const at::Tensor& output);

}  // namespace precipice
