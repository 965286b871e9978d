// SPDX-License-Identifier: Apache-2.0
// A kernel of warp matrix operations, for the examples: each warp makes its two matrices, multiplies them once and by the
// other operand's columns once more, and turns the sums around; and the same with a mistake.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <mma.h>

namespace cuda_on_cpu {

enum class MatrixMistake { None, LaneLeft, Unaligned, Stride, OtherMatrices, NoSyncwarp };

constexpr int kSide = 16, kMatrixStride = 24, kSumStride = 20;

__host__ __device__ constexpr int matrix_a_number(int warp, int row, int col) {
  return (3 * row + 5 * col + warp) % 7 - 3;
}
__host__ __device__ constexpr int matrix_b_number(int row, int col) {
  return (row + 2 * col) % 5 - 2;
}
// Row-by-column products of a with b, and with b again of what that gave, cut to a few bits.
__host__ __device__ constexpr int matrix_product(int warp, int row, int col) {
  int sum = 0;
  for (int k = 0; k < kSide; ++k) sum += matrix_a_number(warp, row, k) * matrix_b_number(k, col);
  for (int k = 0; k < kSide; ++k) sum += matrix_a_number(warp, row, k) * matrix_b_number(col, k);
  return sum;
}

__device__ inline __nv_bfloat16 small_number(int i) {
  return __ushort_as_bfloat16(static_cast<unsigned short>(__builtin_bit_cast(unsigned, static_cast<float>(i)) >> 16));
}

// out[warp][col][row] of all warps of the launch, whole warps of a block of at most 96.
template <MatrixMistake kMistake>
__global__ void warp_product(int* out) {
  namespace wmma = nvcuda::wmma;
  constexpr int kWarps = 3;
  alignas(32) __shared__ __nv_bfloat16 a[kWarps][kSide * kMatrixStride], b[kWarps][kSide * kMatrixStride];
  alignas(32) __shared__ float sums[kWarps][kSide * kSumStride];
  const int own = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(blockIdx.x) * kWarps + own;
  for (int i = lane; i < kSide * kSide; i += 32) {
    const int row = i / kSide, col = i % kSide;
    a[own][row * kMatrixStride + col] = small_number(matrix_a_number(warp, row, col));
    b[own][row * kMatrixStride + col] = small_number(matrix_b_number(row, col));
  }
  if (kMistake != MatrixMistake::NoSyncwarp) __syncwarp();
  if (kMistake == MatrixMistake::LaneLeft && lane == 9) return;
  const int offset = kMistake == MatrixMistake::Unaligned                   ? 8
                     : kMistake == MatrixMistake::OtherMatrices && lane > 5 ? 16
                                                                            : 0;
  const unsigned stride = kMistake == MatrixMistake::Stride ? kMatrixStride - 4 : kMatrixStride;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, wmma::row_major> of_a;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, wmma::row_major> of_b;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, wmma::col_major> of_b_turned;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
  wmma::fill_fragment(sum, 0.0f);
  wmma::load_matrix_sync(of_a, &a[own][offset], stride);
  wmma::load_matrix_sync(of_b, &b[own][0], kMatrixStride);
  wmma::mma_sync(sum, of_a, of_b, sum);
  wmma::store_matrix_sync(&sums[own][0], sum, kSumStride, wmma::mem_col_major);
  __syncwarp();
  wmma::load_matrix_sync(sum, &sums[own][0], kSumStride, wmma::mem_col_major);
  wmma::load_matrix_sync(of_b_turned, &b[own][0], kMatrixStride);
  wmma::mma_sync(sum, of_a, of_b_turned, sum);
  __syncwarp();
  wmma::store_matrix_sync(&sums[own][0], sum, kSumStride, wmma::mem_row_major);
  __syncwarp();
  for (int i = lane; i < kSide * kSide; i += 32) {
    const int row = i / kSide, col = i % kSide;
    out[(warp * kSide + col) * kSide + row] = static_cast<int>(sums[own][row * kSumStride + col]);
  }
}

}  // namespace cuda_on_cpu
