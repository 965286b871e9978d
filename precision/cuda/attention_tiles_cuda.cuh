// SPDX-License-Identifier: Apache-2.0
// The products of a block's tiles in attention, two ways: by fused multiply-adds, each sum over rising indices
// (every:format=fp32 of precision/accumulator/accumulator.h, and so the bits of an emulated accumulator), and of bf16
// numbers by warp matrix operations. A block has `kOwn` positions of its own in shared memory, walks over the others
// kOther at a time, and multiplies twice for each such pair of tiles:
//   scores[own][other] = sum over depth of own[own] other[other]       sums[own][depth] += weights[own][other] x[other]
#pragma once

#include <cuda_bf16.h>
#include <mma.h>

#include <cmath>
#include <cstdint>

#include "precision/accumulator/accumulate_step.h"
#include "precision/base/host_device.h"
#include "precision/calls/attention_calls.h"
#include "precision/format/bf16_bits.h"

#if defined(__CUDACC__)
#define PRECIPICE_UNROLLED _Pragma("unroll")
#define PRECIPICE_ROLLED _Pragma("unroll 1")
#else
#define PRECIPICE_UNROLLED
#define PRECIPICE_ROLLED
#endif

namespace precipice {

inline constexpr int kAttentionThreads = 128, kOther = 32, kDepth = static_cast<int>(kAttentionDepth);
inline constexpr int kVectorBytes = 16;  // that a thread loads at once

// Shared memory of a block; `kTensors` tiles of either side.
template <class Products, int kTensors>
struct AttentionMemory {
  using Number = typename Products::Number;
  alignas(32) Number own[kTensors][Products::kOwn][Products::kStride];
  alignas(32) Number other[kTensors][kOther][Products::kStride];
  alignas(32) float scores[Products::kOwn][Products::kScoreStride];
  alignas(32) Number weights[Products::kOwn][Products::kWeightStride];
  float rows[3][kOther];  // what is known of the others
};

// A thread has four rows and every sixteenth column of a result.
struct OrderedProducts {
  using Number = float;
  static constexpr int kOwn = 32, kStride = kDepth + 1, kScoreStride = kOther + 1, kWeightStride = kOther + 1;
  static constexpr int kRows = 4, kAcross = 16;
  static constexpr int kLoadedAtOnce = 4;

  __device__ static void copy_at_once(const Number* from, Number* to) {
    const float4 numbers = *reinterpret_cast<const float4*>(from);
    to[0] = numbers.x, to[1] = numbers.y, to[2] = numbers.z, to[3] = numbers.w;  // rows are no whole vectors
  }
  __device__ static Number number_of(float x) { return x; }
  __device__ static int stored_depth(int depth) { return depth; }
  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / kAcross * kRows; }
  __device__ static int column(int j) { return static_cast<int>(threadIdx.x) % kAcross + j * kAcross; }
  // As an emulated accumulator ends a sum.
  __device__ static float finished(float sum) { return with_one_nan(sum + 0.0f); }

  __device__ static void multiply(const Number (&own)[kOwn][kStride], const Number (&other)[kOther][kStride], int depth,
                                  float (&scores)[kOwn][kScoreStride]) {
    constexpr int kColumns = kOther / kAcross;
    float sums[kRows][kColumns] = {};
    for (int d = 0; d < depth; ++d) PRECIPICE_UNROLLED
    for (int i = 0; i < kRows; ++i) PRECIPICE_UNROLLED
    for (int j = 0; j < kColumns; ++j) sums[i][j] = std::fma(own[first_row() + i][d], other[column(j)][d], sums[i][j]);
    PRECIPICE_UNROLLED
    for (int i = 0; i < kRows; ++i) PRECIPICE_UNROLLED
    for (int j = 0; j < kColumns; ++j) scores[first_row() + i][column(j)] = finished(sums[i][j]);
  }

  class Sums {
   public:
    __device__ void add(const Number (&weights)[kOwn][kWeightStride], const Number (&x)[kOther][kStride], int depth) {
      for (int other = 0; other < kOther; ++other) PRECIPICE_UNROLLED
      for (int j = 0; j < kColumns; ++j)
        if (column(j) < depth) PRECIPICE_UNROLLED
      for (int i = 0; i < kRows; ++i)
        sums_[i][j] = std::fma(weights[first_row() + i][other], x[other][column(j)], sums_[i][j]);
    }
    // take(own position, depth, sum); room: scores that nobody needs.
    template <class Take>
    __device__ void for_all(float (&room)[kOwn][kScoreStride], int depth, const Take& take) const {
      constexpr int kAtOnce = kOther / kAcross;
      PRECIPICE_UNROLLED
      for (int first = 0; first < kColumns; first += kAtOnce) {
        PRECIPICE_UNROLLED
        for (int i = 0; i < kRows; ++i) PRECIPICE_UNROLLED
        for (int j = 0; j < kAtOnce; ++j) room[first_row() + i][column(j)] = finished(sums_[i][first + j]);
        // What this thread put there.
        PRECIPICE_ROLLED
        for (int k = 0; k < kRows * kAtOnce; ++k) {
          const int row = first_row() + k / kAtOnce, d = column(first + k % kAtOnce);
          if (d < depth) take(row, d, room[row][column(k % kAtOnce)]);
        }
      }
    }

   private:
    static constexpr int kColumns = kDepth / kAcross;
    float sums_[kRows][kColumns] = {};
  };
};

// A warp has sixteen rows. Depths are filled up with zeros to whole matrices.
struct MatrixProducts {
  using Number = __nv_bfloat16;
  static constexpr int kSide = 16, kWarp = 32;
  static constexpr int kOwn = kAttentionThreads / kWarp * kSide;
  static constexpr int kStride = kDepth + 8, kScoreStride = kOther + 4, kWeightStride = kOther + 8;
  static constexpr int kLoadedAtOnce = 8;
  using SumMatrix = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, kSide, kSide, kSide, float>;
  using RowMatrix =
      nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, kSide, kSide, kSide, Number, nvcuda::wmma::row_major>;
  template <class Order>
  using ColumnMatrix = nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, kSide, kSide, kSide, Number, Order>;

  __device__ static void copy_at_once(const Number* from, Number* to) {
    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
  }
  // Of a number of bf16's.
  __device__ static Number number_of(float x) {
    return __ushort_as_bfloat16(bf16_bits(__builtin_bit_cast(std::uint32_t, x)));
  }
  __device__ static int stored_depth(int depth) { return (depth + kSide - 1) / kSide * kSide; }
  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / kWarp * kSide; }

  __device__ static void multiply(const Number (&own)[kOwn][kStride], const Number (&other)[kOther][kStride], int depth,
                                  float (&scores)[kOwn][kScoreStride]) {
    constexpr int kColumns = kOther / kSide;
    SumMatrix sums[kColumns];
    PRECIPICE_UNROLLED
    for (SumMatrix& sum : sums) nvcuda::wmma::fill_fragment(sum, 0.0f);
    for (int d = 0; d < depth; d += kSide) {
      RowMatrix a;
      nvcuda::wmma::load_matrix_sync(a, &own[first_row()][d], kStride);
      PRECIPICE_UNROLLED
      for (int j = 0; j < kColumns; ++j) {
        ColumnMatrix<nvcuda::wmma::col_major> b;
        nvcuda::wmma::load_matrix_sync(b, &other[j * kSide][d], kStride);
        nvcuda::wmma::mma_sync(sums[j], a, b, sums[j]);
      }
    }
    PRECIPICE_UNROLLED
    for (int j = 0; j < kColumns; ++j)
      nvcuda::wmma::store_matrix_sync(&scores[first_row()][j * kSide], sums[j], kScoreStride,
                                      nvcuda::wmma::mem_row_major);
  }

  class Sums {
   public:
    __device__ Sums() {
      PRECIPICE_UNROLLED
      for (SumMatrix& sum : sums_) nvcuda::wmma::fill_fragment(sum, 0.0f);
    }
    __device__ void add(const Number (&weights)[kOwn][kWeightStride], const Number (&x)[kOther][kStride], int depth) {
      PRECIPICE_UNROLLED
      for (int other = 0; other < kOther; other += kSide) {
        RowMatrix a;
        nvcuda::wmma::load_matrix_sync(a, &weights[first_row()][other], kWeightStride);
        PRECIPICE_UNROLLED
        for (int j = 0; j < kMatrices; ++j) {
          if (j * kSide >= depth) continue;
          ColumnMatrix<nvcuda::wmma::row_major> b;
          nvcuda::wmma::load_matrix_sync(b, &x[other][j * kSide], kStride);
          nvcuda::wmma::mma_sync(sums_[j], a, b, sums_[j]);
        }
      }
    }
    template <class Take>
    __device__ void for_all(float (&room)[kOwn][kScoreStride], int depth, const Take& take) const {
      const int lane = static_cast<int>(threadIdx.x) % kWarp;
      PRECIPICE_UNROLLED
      for (int j = 0; j < kMatrices; ++j) {
        if (j * kSide >= depth) continue;
        nvcuda::wmma::store_matrix_sync(&room[first_row()][0], sums_[j], kScoreStride, nvcuda::wmma::mem_row_major);
        __syncwarp();
        PRECIPICE_ROLLED
        for (int i = lane; i < kSide * kSide; i += kWarp) {
          const int row = first_row() + i / kSide, d = j * kSide + i % kSide;
          if (d < depth) take(row, d, room[row][i % kSide]);
        }
        __syncwarp();
      }
    }

   private:
    static constexpr int kMatrices = kDepth / kSide;
    SumMatrix sums_[kMatrices];
  };
};

}  // namespace precipice
