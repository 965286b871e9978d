// SPDX-License-Identifier: Apache-2.0
// What the kernels of attention (attention_kernels_cuda.cuh) are made of: the place of a block and its threads, tiles of its
// operands, and what happens to the scores of a pair of tiles, of which every thread has the same ones throughout: a part of a
// row, so that the sums of a row go through the lanes and the tree of row_launch.h.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/calls/attention_calls.h"
#include "precision/cuda/attention_tiles_cuda.cuh"
#include "precision/cuda/largest.h"
#include "precision/cuda/nearest_bf16.h"
#include "precision/cuda/quantize_launch.h"
#include "precision/cuda/row_launch.h"

namespace precipice {

// x as a quantizer without a scale rounds number `place` of its tensor.
template <Rounding R>
PRECIPICE_HD float rounded_number(const QuantizeCall& call, float x, std::uint64_t place) {
  if (R == Rounding::NearestEven && call.is_bf16 && !call.through_bf16) return nearest_bf16(x);
  LaunchCounts ignored{};
  const float source = source_number<Binary32>(call, x, ignored);
  const std::uint32_t word = is_stochastic(R) ? random_for(key_there(call.key), place, call.random_bits) : 0;
  return round_and_check<R>(scaled<Binary32>(source, call, 0), call.format, word, call.random_bits).value;
}
// Of what is multiplied next, and of results, which draw no words.
PRECIPICE_HD float rounded_factor(const NumberRounding& rounding, float x, std::int64_t place) {
  if (!rounding.rounds) return x;
  const auto at = static_cast<std::uint64_t>(place);
  return is_stochastic(rounding.call.rounding) ? rounded_number<Rounding::Stochastic>(rounding.call, x, at)
                                               : rounded_number<Rounding::NearestEven>(rounding.call, x, at);
}
PRECIPICE_HD float rounded_result(const NumberRounding& rounding, float x) {
  return rounding.rounds ? rounded_number<Rounding::NearestEven>(rounding.call, x, 0) : x;
}

// softmax's e^(scale s - m) of one score, and what comes back of its weight.
PRECIPICE_HD float exponential_of_score(float score, float scale, float largest) {
  return row_exponential(score * scale - largest);
}
PRECIPICE_HD float gradient_of_score(float weight, float upstream, float delta, float scale) {
  return weight * scale * (upstream - delta);
}

// The tree of row_launch.h's lanes, in one thread: k and k + 8, then of these k and k + 4, k and k + 2, k and k + 1.
PRECIPICE_HD float sum_of_row_lanes(const float (&x)[kRowLanes]) {
  float a[8], b[4];
  for (int k = 0; k < 8; ++k) a[k] = x[k] + x[k + 8];
  for (int k = 0; k < 4; ++k) b[k] = a[k] + a[k + 4];
  return (b[0] + b[2]) + (b[1] + b[3]);
}

// What is known of a row of weights.
struct RowNumbers {
  float largest, total, delta;
};

// A block with `first` and the positions after it of one head as its own.
template <class Products, int kTensors>
struct AttentionBlock {
  using Number = typename Products::Number;
  using Memory = AttentionMemory<Products, kTensors>;
  static constexpr int kOwn = Products::kOwn;
  static constexpr int kParts = kAttentionThreads / kOwn;  // threads of a row
  static constexpr int kMine = kOther / kParts;            // scores of a thread
  static constexpr int kLanesOfThread = kRowLanes / kParts;
  static_assert(kRowLanes % kParts == 0 && kOther % kRowLanes == 0);

  Memory& memory;
  AttentionShape shape;
  std::int64_t batch, first;

  __device__ static int row() { return static_cast<int>(threadIdx.x) / kParts; }
  __device__ static int part() { return static_cast<int>(threadIdx.x) % kParts; }
  __device__ static int column(int mine) { return part() + kParts * mine; }
  __device__ int depth() const { return static_cast<int>(shape.depth); }
  __device__ std::int64_t group_of(std::int64_t head) const { return head / (shape.heads / shape.groups); }
  // Of what is known of rows of weights, and of the weights.
  __device__ std::int64_t row_place(std::int64_t head, std::int64_t query) const {
    return (batch * shape.heads + head) * shape.length + query;
  }
  __device__ std::int64_t weight_place(std::int64_t head, std::int64_t query, std::int64_t key) const {
    return row_place(head, query) * shape.length + key;
  }

  // Positions `begin` and on of a head, a few depths at a time; zeros behind the last position and depth.
  template <int kRows>
  __device__ void load(Number (&tile)[kRows][Products::kStride], const HeadNumbers& x, std::int64_t head,
                       std::int64_t begin) const {
    constexpr int kAtOnce = Products::kLoadedAtOnce;
    const int parts_of_row = (Products::stored_depth(depth()) + kAtOnce - 1) / kAtOnce;
    const bool lie_at_once = is_loaded_at_once(x);
    for (int i = static_cast<int>(threadIdx.x); i < kRows * parts_of_row; i += kAttentionThreads) {
      const int position = i / parts_of_row, d = i % parts_of_row * kAtOnce;
      Number* const to = &tile[position][d];
      const Number* const from =
          static_cast<const Number*>(x.data) + x.strides.place(batch, begin + position, head) + d * x.strides.element;
      const int there = begin + position < shape.length ? depth() - d : 0;
      if (there >= kAtOnce && lie_at_once)
        Products::copy_at_once(from, to);
      else
        for (int k = 0; k < kAtOnce; ++k) to[k] = k < there ? from[k * x.strides.element] : Products::number_of(0.0f);
    }
  }
  // Side by side, at addresses that vectors of 16 bytes may have.
  __device__ static bool is_loaded_at_once(const HeadNumbers& x) {
    constexpr auto kBytes = static_cast<std::uint64_t>(sizeof(Number));
    const auto strides = static_cast<std::uint64_t>(x.strides.batch | x.strides.position | x.strides.head) * kBytes;
    return x.strides.element == 1 && ((reinterpret_cast<std::uint64_t>(x.data) | strides) & (kVectorBytes - 1)) == 0;
  }

  // memory.scores: products of own numbers with others, rounded where `is_asked(row, column)`. Everybody is done with what was
  // there, and the tiles are loaded.
  template <class IsAsked>
  __device__ void multiply(int tensor, const NumberRounding& rounding, const IsAsked& is_asked) const {
    Products::multiply(memory.own[tensor], memory.other[tensor], depth(), memory.scores);
    __syncthreads();
    if (!rounding.rounds) return;
    PRECIPICE_ROLLED
    for (int k = 0; k < kMine; ++k)
      if (is_asked(row(), column(k))) score(k) = rounded_result(rounding, score(k));
  }
  __device__ float& score(int mine) const { return memory.scores[row()][column(mine)]; }

  // memory.weights: scores as they are multiplied; zeros where none is asked for. place(row, column) in the tensor of weights.
  template <class IsAsked, class Place>
  __device__ void weigh(const NumberRounding& rounding, const IsAsked& is_asked, const Place& place) const {
    PRECIPICE_ROLLED
    for (int k = 0; k < kMine; ++k) {
      const int at = column(k);
      const float x = is_asked(row(), at) ? rounded_factor(rounding, score(k), place(row(), at)) : 0.0f;
      memory.weights[row()][at] = Products::number_of(x);
    }
  }

  // Over all scores of a row of which each thread has its lanes. Between barriers: memory.scores is lost.
  __device__ float sum_of_row(const float (&lanes)[kLanesOfThread]) const {
    PRECIPICE_UNROLLED
    for (int k = 0; k < kLanesOfThread; ++k) score(k) = lanes[k];
    __syncthreads();
    float all[kRowLanes];
    PRECIPICE_UNROLLED
    for (int lane = 0; lane < kRowLanes; ++lane) all[lane] = memory.scores[row()][lane];
    return sum_of_row_lanes(all);
  }

  // Rounded, to where they lie.
  __device__ void store(const typename Products::Sums& sums, const NumberRounding& rounding, const HeadResults& results,
                        std::int64_t head, LargestSeen& seen) const {
    sums.for_all(memory.scores, depth(), [&](int own, int d, float sum) {
      if (first + own >= shape.length) return;
      const float result = rounded_result(rounding, sum);
      results.data[results.strides.place(batch, first + own, head) + d * results.strides.element] = result;
      seen.see(result);
    });
  }
};

}  // namespace precipice
