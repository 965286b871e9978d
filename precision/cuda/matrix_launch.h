// SPDX-License-Identifier: Apache-2.0
// A matrix with scales as kernel bodies: what MatrixPlan (precision/scaling/block_quantize.h) does, whose bits and events
// they give. In order: rotate, amax of the matrix or outer scales where they are needed, a scale for each block, then the
// elements, as quantize_launch.h has them. In their simple form: a block's amax is found by one thread. Host and device, no
// CUDA in them.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/cuda/four_over_six_trial.h"
#include "precision/cuda/launch.h"
#include "precision/cuda/matrix_parts.h"
#include "precision/cuda/peer_elements.h"
#include "precision/cuda/quantize_launch.h"
#include "precision/format/log2_exponent.h"
#include "precision/kernels/hadamard_matrix.h"
#include "precision/scaling/matrix_call.h"
#include "precision/scaling/scale_rule_formulas.h"

namespace precipice {

// Groups of 16 along the contraction times the matrix of hadamard_matrix.h, whose entries are 1/4 and -1/4: a thread has a
// group.
struct RotateMatrixLaunch {
  MatrixCall call;
  const float* in;
  float* out;  // may be `in`

  PRECIPICE_HD std::int64_t items() const { return call.shape.rows * call.shape.cols / kHadamard; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    const std::int64_t cols = call.shape.cols;
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      if (call.shape.contraction == 1)
        rotate(item * kHadamard, 1);
      else
        rotate(item / cols * kHadamard * cols + item % cols, cols);
    }
  }

 private:
  // Bit k: whether the entries of row k begin with -1/4.
  static constexpr std::uint32_t negative_rows() {
    std::uint32_t rows = 0;
    for (int k = 0; k < kHadamard; ++k) rows |= static_cast<std::uint32_t>(hadamard_matrix().entry[k][0] < 0.0f) << k;
    return rows;
  }

  PRECIPICE_HD void rotate(std::int64_t first, std::int64_t stride) const {
    constexpr std::uint32_t kNegative = negative_rows();
    float x[kHadamard];
    for (int k = 0; k < kHadamard; ++k) {
      const float given = in[first + k * stride];
      x[k] = call.rotates_through_bf16 ? to_bf16(call, given) : given;
    }
    for (int j = 0; j < kHadamard; ++j) {
      float sum = 0.0f;
      for (int k = 0; k < kHadamard; ++k) {
        const int common = k & j, pairs = common ^ (common >> 2), odd = (pairs ^ (pairs >> 1)) & 1;
        const bool negative = ((kNegative >> k) & 1u) != static_cast<std::uint32_t>(odd);
        sum += x[k] * (negative ? -0.25f : 0.25f);
      }
      out[first + j * stride] = call.rotates_through_bf16 ? to_bf16(call, sum) : sum;
    }
  }
};

struct MatrixAmaxLaunch {
  MatrixCall call;
  const float* in;
  LaunchSums<LaunchCounts>* sums;
  float* amax;

  PRECIPICE_HD std::int64_t size() const { return call.shape.rows * call.shape.cols; }
  PRECIPICE_HD std::int64_t items() const { return (size() + 3) / 4; }
  PRECIPICE_HD void clear(LaunchCounts& shared) const { shared = LaunchCounts{}; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position, LaunchCounts& shared) const {
    LaunchCounts own{};
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const Quad quad = quad_of(4 * item, size());
      float x[4];
      load_elements(call, in, quad, x);
      raise_largest(quad, x, own);
    }
    merge<Atomics>(shared, own);
  }
  template <class Atomics>
  PRECIPICE_HD void publish(const LaunchCounts& shared) const {
    merge<Atomics>(sums->sums, shared);
  }
  template <class Atomics>
  PRECIPICE_HD void finish() const {
    *amax = amax_of<Binary32>(take<Atomics>(sums->sums).largest);
  }
};

struct OuterScalesLaunch {
  MatrixCall call;
  const float* in;
  const float* amax_of_all;  // where an outer scale follows from it
  OuterScale* outers;

  PRECIPICE_HD std::int64_t items() const {
    if (call.outer == MatrixCall::Outer::None) return 0;
    if (call.outer == MatrixCall::Outer::Matrix) return 1;
    return call.outer == MatrixCall::Outer::Rows ? call.shape.rows : call.shape.cols;
  }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    const std::int64_t rows = call.shape.rows, cols = call.shape.cols;
    for (std::int64_t i = position.thread; i < items(); i += position.threads) {
      float amax;
      if (call.outer == MatrixCall::Outer::Matrix)
        amax = *amax_of_all;
      else if (call.outer == MatrixCall::Outer::Rows)
        amax = amax_of_pattern(largest_pattern(call, in, {i, i + 1, 0, cols}));
      else
        amax = amax_of_pattern(largest_pattern(call, in, {0, rows, i, i + 1}));
      outers[i] = scale_rule::of_tensor(call.scales, amax_as_seen(call, amax));
    }
  }
};

// Of every block what its grid values and its elements are multiplied by.
struct BlockScalesLaunch {
  MatrixCall call;
  const float* in;
  const float* amax_of_all;  // where one scale follows from it
  const OuterScale* outers;
  float *scales, *multipliers;

  PRECIPICE_HD std::int64_t items() const { return call.grid.grid_rows * call.grid.grid_cols; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t block = position.thread; block < items(); block += position.threads) {
      const BlockScale scale = scale_of_block(block);
      scales[block] = scale.inverse;
      multipliers[block] = scale.multiply;
    }
  }

  PRECIPICE_HD BlockScale scale_of_block(std::int64_t block) const {
    if (call.is_fixed) return {call.fixed, 1.0f / call.fixed};
    const std::int64_t row = block / call.grid.grid_cols * call.grid.block_rows,
                       col = block % call.grid.grid_cols * call.grid.block_cols;
    const std::int64_t end_row = row + call.grid.block_rows, end_col = col + call.grid.block_cols;
    const MatrixPart part{row, end_row < call.shape.rows ? end_row : call.shape.rows, col,
                          end_col < call.shape.cols ? end_col : call.shape.cols};
    const float amax = amax_of(part);
    OuterScale outer;
    if (call.outer == MatrixCall::Outer::Matrix) outer = outers[0];
    if (call.outer == MatrixCall::Outer::Rows) outer = outers[row];
    if (call.outer == MatrixCall::Outer::Columns) outer = outers[col];
    BlockScale scale = call.four_over_six == FourOverSix::Off ? scale_rule::of_block(call.scales, amax, outer)
                                                              : FourOverSixTrial{call, in, part, outer}.scale(amax);
    if (is_flushed(amax)) scale.multiply = 0.0f;
    return scale;
  }

 private:
  PRECIPICE_HD float amax_of(const MatrixPart& part) const {
    if (call.is_one_amax) return amax_as_seen(call, *amax_of_all);
    const std::int32_t pattern = largest_pattern(call, in, part);
    if (!call.passes_over_nan || pattern <= kInfinityPattern) return amax_as_seen(call, amax_of_pattern(pattern));
    std::int32_t largest = 0;
    for (std::int64_t row = part.first_row; row < part.end_row; ++row)
      for (std::int64_t col = part.first_col; col < part.end_col; ++col) {
        const std::int32_t own = pattern_in<Binary32>(*element_at(call, in, row, col));
        largest = own > largest && own <= kInfinityPattern ? own : largest;
      }
    return amax_as_seen(call, __builtin_bit_cast(float, largest));
  }

  PRECIPICE_HD bool is_flushed(float amax) const {
    if (call.flush == MatrixCall::Flush::None || !(amax > 0.0f) || amax >= 0x1p-126f) return false;
    if (call.flush == MatrixCall::Flush::Bits) return true;
    return (call.flush == MatrixCall::Flush::Bf16Log2 ? floor_of_bf16_log2(amax) : floor_of_rounded_log2(amax)) <= -127;
  }
};

// Whether all elements have one scale that follows from what is known before them.
PRECIPICE_HD bool has_only_scale(const MatrixCall& call) {
  return call.grid.grid_rows * call.grid.grid_cols == 1 && call.outer == MatrixCall::Outer::None &&
         call.four_over_six == FourOverSix::Off && (call.is_fixed || call.is_one_amax);
}

// An item is a block of the random stream, as in QuantizeLaunch.
template <KernelRounding K>
struct MatrixElementsLaunch {
  MatrixCall call;           // `elements` with its arrays: in, out and packed
  BlockScalesLaunch scales;  // launched before, but for the only scale, which every thread makes
  LaunchSums<LaunchCounts>* sums;
  FoundNumbers found;

  PRECIPICE_HD std::int64_t items() const { return quantize_items(call.elements); }
  PRECIPICE_HD void clear(LaunchCounts& shared) const { shared = LaunchCounts{}; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position, LaunchCounts& shared) const {
    LaunchCounts own{};
    BlockScale only{1.0f, 1.0f};
    if (has_only_scale(call)) {
      only = scales.scale_of_block(0);
      if (position.thread == 0) {
        *scales.scales = only.inverse;
        if (scales.multipliers != nullptr) *scales.multipliers = only.multiply;
      }
    }
    dispatch_call<K>(call.elements,
                     [&]<Rounding R, bool General>() { round_items<R, General>(position, only.multiply, own); });
    merge<Atomics>(shared, own);
  }
  template <class Atomics>
  PRECIPICE_HD void publish(const LaunchCounts& shared) const {
    merge<Atomics>(sums->sums, shared);
  }
  template <class Atomics>
  PRECIPICE_HD void finish() const {
    const float scale = has_only_scale(call) ? scales.scale_of_block(0).inverse : 1.0f;
    put_found(found, take<Atomics>(sums->sums), call.elements, scale);
  }

 private:
  template <Rounding R, bool General>
  PRECIPICE_HD void round_items(ThreadPosition position, float only, LaunchCounts& own) const {
    const bool has_only = has_only_scale(call);
    for_random_blocks<R>(call.elements, position, [&](const Quad& quad, const QuadWords& random) {
      float given[4], results[4];
      load_elements(call, call.elements.in, quad, given);
      for (int k = 0; k < 4; ++k) {
        if (!quad.has(k)) continue;
        const float by = has_only ? only : multiplier_at(quad.first + k);
        const float x = source_number<Binary32>(call.elements, given[k], own);
        results[k] = rounded<R, General>(x, scaled_by(x, by, call.elements.divide), random.at[k], own);
      }
      store_results(call.elements, quad, results, call.has_stand_in ? &call.stand_in : nullptr, own);
    });
  }

  PRECIPICE_HD float multiplier_at(std::int64_t i) const {
    const std::int64_t row = i / call.shape.cols, col = i % call.shape.cols;
    return scales.multipliers[row / call.grid.block_rows * call.grid.grid_cols + col / call.grid.block_cols];
  }

  template <Rounding R, bool General>
  PRECIPICE_HD float rounded(float x, float product, std::uint32_t random, LaunchCounts& own) const {
    if (call.element != MatrixCall::Element::General) {
      own.largest = pattern_in<Binary32>(x) > own.largest ? pattern_in<Binary32>(x) : own.largest;
      return call.element == MatrixCall::Element::Microxcaling ? microxcaling_element(call, x, product, own)
                                                               : deepgemm_element(x, product, own);
    }
    if (call.is_zero_positive && __builtin_bit_cast(std::uint32_t, product) == kSignBit) product = 0.0f;
    return round_element<Binary32, R, General>(call.elements, x, product, random, own);
  }
};

}  // namespace precipice
