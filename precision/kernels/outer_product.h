// SPDX-License-Identifier: Apache-2.0
// y (M, N) = scale * a^T b of fp32 matrices a (K, M) and b (K, N) whose rows lie side by side, as in a weight's
// gradient dw = dy^T x. It is a sum over k of outer products of rows: a tile of y stays in registers, one number of a
// row of `a` times vectors of a row of `b` at a time. Both are read as they lie, where kernels for a b^T would turn `a`
// first.
#pragma once

#include <cstdint>

namespace precipice {

struct OuterProduct {
  std::int64_t m = 0, n = 0, k = 0;  // none is 0
  const float *a = nullptr, *b = nullptr;
  std::int64_t a_stride = 0, b_stride = 0;  // of rows
  float* y = nullptr;
  std::int64_t y_stride = 0;
  float scale = 1.0f;
};

// Rows of a tile: shares of threads are whole tiles.
inline constexpr std::int64_t kOuterTileRows = 6;

#if defined(__x86_64__)
namespace avx512 {
// Rows [first, last) of y. Each number is the sum of sums of 256 products in the order of k, whatever the range.
void outer_product(const OuterProduct& call, std::int64_t first, std::int64_t last);
}  // namespace avx512
#endif

}  // namespace precipice
