// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "precision/kernels/outer_product.h"

namespace precipice::avx512 {
namespace {

constexpr int kLanes = 16, kVectors = 4;                // columns of a tile: 24 of 32 registers hold its sums
constexpr std::int64_t kColumns = kLanes * kVectors;    // of a panel of b
constexpr std::int64_t kDepth = 256, kBlockRows = 192;  // a block of `a` stays in the second-level cache
constexpr std::int64_t kAhead = 24;                     // numbers: the line that later tiles of a block begin with

// What one tile is: the first numbers of its operands and result, and how it is left.
struct Tile {
  const float *a, *b;
  float* y;
  std::int64_t depth;
  __mmask16 last_vector;  // the columns of the last vector
  bool adds, scales;      // to what earlier depths left; after the last depth
};

template <int kRows, int kVectorsHere>
void multiply_tile(const OuterProduct& call, const Tile& tile) {
  __m512 sums[kRows][kVectorsHere] = {};
  const float *a = tile.a, *b = tile.b;
  for (std::int64_t k = 0; k < tile.depth; ++k, a += call.a_stride, b += call.b_stride) {
    __m512 of_b[kVectorsHere];
#pragma GCC unroll 4
    for (int v = 0; v < kVectorsHere - 1; ++v) of_b[v] = _mm512_loadu_ps(b + v * kLanes);
    of_b[kVectorsHere - 1] = _mm512_maskz_loadu_ps(tile.last_vector, b + (kVectorsHere - 1) * kLanes);
    __builtin_prefetch(a + kAhead);
#pragma GCC unroll 6
    for (int row = 0; row < kRows; ++row) {
      const __m512 of_a = _mm512_set1_ps(a[row]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectorsHere; ++v) sums[row][v] = _mm512_fmadd_ps(of_a, of_b[v], sums[row][v]);
    }
  }
#pragma GCC unroll 6
  for (int row = 0; row < kRows; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < kVectorsHere; ++v) {
      float* const to = tile.y + row * call.y_stride + v * kLanes;
      const __mmask16 mask = v == kVectorsHere - 1 ? tile.last_vector : __mmask16{0xFFFF};
      __m512 sum = sums[row][v];
      if (tile.adds) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), sum);
      if (tile.scales) sum = _mm512_mul_ps(sum, _mm512_set1_ps(call.scale));
      _mm512_mask_storeu_ps(to, mask, sum);
    }
}

template <int kVectorsHere>
void multiply_rows(const OuterProduct& call, const Tile& tile, std::int64_t rows) {
  static_assert(kOuterTileRows == 6);
  switch (rows) {
    case 1:
      return multiply_tile<1, kVectorsHere>(call, tile);
    case 2:
      return multiply_tile<2, kVectorsHere>(call, tile);
    case 3:
      return multiply_tile<3, kVectorsHere>(call, tile);
    case 4:
      return multiply_tile<4, kVectorsHere>(call, tile);
    case 5:
      return multiply_tile<5, kVectorsHere>(call, tile);
    default:
      return multiply_tile<6, kVectorsHere>(call, tile);
  }
}

// Rows [first, last) of y's columns from `column` on, one panel wide.
void multiply_panel(const OuterProduct& call, Tile tile, std::int64_t column, std::int64_t first, std::int64_t last) {
  const std::int64_t columns = std::min(kColumns, call.n - column), vectors = (columns + kLanes - 1) / kLanes;
  tile.last_vector = static_cast<__mmask16>(0xFFFFu >> (vectors * kLanes - columns));
  const float* const a = tile.a;
  tile.b += column;
  for (std::int64_t row = first; row < last; row += kOuterTileRows) {
    const std::int64_t rows = std::min(kOuterTileRows, last - row);
    tile.a = a + row;
    tile.y = call.y + row * call.y_stride + column;
    if (vectors == 4)
      multiply_rows<4>(call, tile, rows);
    else if (vectors == 3)
      multiply_rows<3>(call, tile, rows);
    else if (vectors == 2)
      multiply_rows<2>(call, tile, rows);
    else
      multiply_rows<1>(call, tile, rows);
  }
}

}  // namespace

void outer_product(const OuterProduct& call, std::int64_t first, std::int64_t last) {
  for (std::int64_t k = 0; k < call.k; k += kDepth) {
    Tile tile{};
    tile.a = call.a + k * call.a_stride, tile.b = call.b + k * call.b_stride;
    tile.depth = std::min(kDepth, call.k - k);
    tile.adds = k > 0;
    tile.scales = k + kDepth >= call.k && call.scale != 1.0f;
    for (std::int64_t row = first; row < last; row += kBlockRows)
      for (std::int64_t column = 0; column < call.n; column += kColumns)
        multiply_panel(call, tile, column, row, std::min(last, row + kBlockRows));
  }
}

}  // namespace precipice::avx512

#endif
