// SPDX-License-Identifier: Apache-2.0
#include "train/attention/flash_softmax.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "precision/base/check.h"
#include "precision/kernels/row_kernels.h"
#include "precision/quantize/piece_quantizer.h"

namespace precipice {
namespace {

std::size_t at_place(std::int64_t row, std::int64_t blocks, std::int64_t block) {
  return static_cast<std::size_t>(row * blocks + block);
}

// exp(m' - m); no block before: 0.
float factor_of(float before, float now) {
  return static_cast<float>(std::exp(double{before} - double{now}));
}

}  // namespace

FlashSoftmax::FlashSoftmax(const FlashAttention& flash, const ElementQuantizer& weights, std::int64_t length,
                           double scale)
    : sums_(flash.sums),
      weights_(weights),
      length_(length),
      block_(std::min(flash.block, (length + 31) / 32 * 32)),
      scale_(static_cast<float>(scale)),
      beta_(static_cast<float>(flash.beta)) {
  PRECIPICE_CHECK(length > 0 && block_ > 0 && block_ % 32 == 0, flash.block, " keys a block of ", length);
}

void FlashSoftmax::weigh(const float* scores, float* weights, OnlineRows& known, std::int64_t at,
                         std::int64_t first_row, std::int64_t last_row) const {
  OnlineSoftmax call;
  call.scores = scores, call.weights = weights;
  call.maxima = known.factors.data() + at_place(at, blocks(), 0);
  call.sums = known.sums.data() + at_place(at, blocks(), 0);
  call.length = length_, call.block = block_;
  call.scale = scale_, call.beta = beta_;
  row_kernels().online_softmax(call, first_row, last_row);
  if (!sums_.is_identity() && !weights_.is_identity()) sum_rounded(weights, call.sums, last_row - first_row);
}

// Weights as they are multiplied, which leaves them as they are there, and their sums.
void FlashSoftmax::sum_rounded(float* weights, float* sums, std::int64_t rows) const {
  PieceRounder(weights_).round(weights, 0, rows * length_);
  const std::vector<float> ones(static_cast<std::size_t>(block_), 1.0f);
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t b = 0; b < blocks(); ++b) {
      const std::int64_t begin = b * block_, size = std::min(block_, length_ - begin);
      row_kernels().dot_rows(weights + row * length_ + begin, ones.data(), 1, size, sums + row * blocks() + b);
    }
}

void FlashSoftmax::finish(OnlineRows& known, float* log_sums) const {
  const std::int64_t rows = static_cast<std::int64_t>(known.totals.size()), all = blocks();
  for (std::int64_t row = 0; row < rows; ++row) {
    float* const maxima = known.factors.data() + at_place(row, all, 0);
    const float* const sums = known.sums.data() + at_place(row, all, 0);
    const float last = maxima[all - 1];
    float total = sums[0], before = std::exchange(maxima[0], 0.0f);
    for (std::int64_t b = 1; b < all; ++b) {
      const float now = maxima[b];
      maxima[b] = factor_of(before, now);
      total = maxima[b] * total + sums[b];
      before = now;
    }
    known.totals[static_cast<std::size_t>(row)] = total;
    log_sums[row] = last + std::log(total);
  }
}

void FlashSoftmax::add(const OnlineRows& known, std::int64_t block, std::int64_t first_row, std::int64_t rows,
                       std::int64_t depth, float* y, float* acc) const {
  const PieceRounder rounder(sums_);
  rounder.round(y, 0, rows * depth);
  if (block == 0) {
    std::copy_n(y, rows * depth, acc);
    return;
  }
  const float* factors = known.factors.data() + at_place(first_row, blocks(), block);
  for (std::int64_t row = 0; row < rows; ++row)
    row_kernels().scale_row(acc + row * depth, depth, factors[row * blocks()]);
  rounder.round(acc, 0, rows * depth);
  for (std::int64_t i = 0; i < rows * depth; ++i) acc[i] += y[i];
  rounder.round(acc, 0, rows * depth);
}

void FlashSoftmax::divide(const OnlineRows& known, std::int64_t first_row, std::int64_t rows, std::int64_t depth,
                          float* acc) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const float total = known.totals[static_cast<std::size_t>(first_row + row)];
    float* const of_row = acc + row * depth;
    for (std::int64_t i = 0; i < depth; ++i) of_row[i] /= total;
  }
}

void FlashSoftmax::recall(const float* scores, const float* log_sums, float* weights, std::int64_t first_row,
                          std::int64_t last_row) const {
  row_kernels().softmax_of_sums(scores, log_sums, weights, length_, scale_, first_row, last_row);
}

at::Tensor flash_deltas(const at::Tensor& gradient, const at::Tensor& output) {
  PRECIPICE_CHECK(gradient.is_contiguous() && output.is_contiguous() && gradient.sizes() == output.sizes(), "dO ",
                  gradient.sizes(), ", O ", output.sizes());
  const std::int64_t batch = gradient.size(0), length = gradient.size(1), heads = gradient.size(2);
  const at::Tensor products = at::empty({batch, length, heads}, gradient.options());
  row_kernels().dot_rows(gradient.const_data_ptr<float>(), output.const_data_ptr<float>(), products.numel(),
                         gradient.size(3), products.mutable_data_ptr<float>());
  return products.transpose(1, 2).contiguous();
}

}  // namespace precipice
