// SPDX-License-Identifier: Apache-2.0
// Rows of logits under cross-entropy as kernel bodies: logit_row() of row_kernels.h, whose bits they give, a row by its
// sixteen lanes (row_launch.h): chunks of 64 groups of lanes are summed in binary32, over the lanes' tree, and their sums in
// binary64, by every lane. Of bf16 logits nothing is kept: their gradient makes the exponentials again.
#pragma once

#include <cstdint>
#include <limits>

#include "precision/base/host_device.h"
#include "precision/calls/logit_calls.h"
#include "precision/cuda/launch.h"
#include "precision/cuda/nearest_bf16.h"
#include "precision/cuda/quad.h"
#include "precision/cuda/row_launch.h"
#include "precision/format/bf16_bits.h"

namespace precipice {

// Logits, or those of a row, in the type that they have in memory.
struct Fp32Logits {
  const float* data;
  PRECIPICE_HD float operator[](std::int64_t i) const { return data[i]; }
};
struct Bf16Logits {
  const std::uint16_t* data;
  PRECIPICE_HD float operator[](std::int64_t i) const { return float_of_bf16(data[i]); }
};

template <class Logits>
struct LogitRowsLaunch {
  LogitRowsCall call;
  Logits logits;
  std::int64_t rows;  // call.count

  template <RowLanes Lanes>
  PRECIPICE_HD void run_row(std::int64_t row, const Lanes& lanes, Unseen&) const {
    const std::int64_t target = call.targets[row];
    if (target >= 0 && target < call.width)
      read(row, target, lanes);
    else
      leave(row, lanes);
  }

 private:
  static constexpr std::int64_t kChunk = 64 * kRowLanes;
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();

  PRECIPICE_HD void put(std::int64_t row, const LogitRow& found, float target_logit) const {
    call.rows[row] = found;
    call.target_logits[row] = target_logit;
  }

  // Of a target that is no logit: NaN, which the loss shows, and nothing is read.
  template <RowLanes Lanes>
  PRECIPICE_HD void leave(std::int64_t row, const Lanes& lanes) const {
    LogitRow nothing{};
    nothing.others = nothing.target = std::numeric_limits<double>::quiet_NaN();
    if (lanes.index() == 0) put(row, nothing, std::numeric_limits<float>::quiet_NaN());
    if (call.e == nullptr) return;
    for (std::int64_t i = lanes.index(); i < call.width; i += kRowLanes) call.e[row * call.width + i] = 0.0f;
  }

  template <RowLanes Lanes>
  PRECIPICE_HD void read(std::int64_t row, std::int64_t target, const Lanes& lanes) const {
    const Logits z{logits.data + row * call.width};
    float* e = call.e == nullptr ? nullptr : call.e + row * call.width;
    LogitRow result = extremes_of(z, lanes);
    for (std::int64_t begin = 0; begin < call.width; begin += kChunk) {
      const std::int64_t end = begin + kChunk < call.width ? begin + kChunk : call.width;
      if (call.moments)
        add_chunk<true>(z, {begin, end, target}, e, result, lanes);
      else
        add_chunk<false>(z, {begin, end, target}, e, result, lanes);
    }
    if (lanes.index() != target % kRowLanes) return;  // whose e the target's is
    const float of_target = row_exponential(z[target] - result.high);
    if (e != nullptr) e[target] = of_target;
    result.target = static_cast<double>(of_target);
    put(row, result, z[target]);
  }

  template <RowLanes Lanes>
  PRECIPICE_HD LogitRow extremes_of(const Logits& z, const Lanes& lanes) const {
    float low = kInfinity, high = -kInfinity;
    for (std::int64_t begin = 0; begin < call.width; begin += kRowLanes) {
      const std::int64_t i = begin + lanes.index();
      const float x = i < call.width ? z[i] : z[0];
      low = x < low ? x : low;
      high = high < x ? x : high;
    }
    LogitRow result{};
    result.high = lanes.fold(high, [](float a, float b) { return a < b ? b : a; });
    result.low = lanes.fold(low, [](float a, float b) { return b < a ? b : a; });
    return result;
  }

  struct Chunk {
    std::int64_t begin, end, target;
  };
  // The target's own term is left out: it must not drown the others.
  template <bool Moments, RowLanes Lanes>
  PRECIPICE_HD void add_chunk(const Logits& z, const Chunk& chunk, float* e, LogitRow& row, const Lanes& lanes) const {
    constexpr float kBound = 1e12f;  // what moments see of an infinite logit, whose term is 0
    float sum = 0.0f, moments[kLogitMoments] = {};
    for (std::int64_t first = chunk.begin; first < chunk.end; first += kRowLanes) {
      const std::int64_t i = first + lanes.index();
      const float x = i < chunk.end && i != chunk.target ? z[i] : -kInfinity;
      float power = row_exponential(x - row.high);
      if (e != nullptr && i < chunk.end) e[i] = power;
      sum += power;
      if constexpr (Moments) {
        const float magnitude = __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, x) & 0x7FFFFFFFu);
        const float reach = (magnitude < kBound ? magnitude : kBound) + 1.0f;
        for (int j = 0; j < kLogitMoments; ++j) {
          power *= reach;
          moments[j] += power;
        }
      }
    }
    const auto add = [](float a, float b) { return a + b; };
    row.others += static_cast<double>(lanes.fold(sum, add));
    if constexpr (Moments)
      for (int j = 0; j < kLogitMoments; ++j) row.moments[j] += static_cast<double>(lanes.fold(moments[j], add));
  }
};

// A thread has a stretch of a row, for whose factor one division suffices.
struct LogitGradientLaunch {
  LogitGradient call;

  PRECIPICE_HD std::int64_t items() const { return call.count * stretches(); }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    const double share_of_row = call.share.value();
    const auto share = static_cast<float>(share_of_row);
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t row = item / stretches(), begin = item % stretches() * kStretch;
      const std::int64_t end = begin + kStretch < call.width ? begin + kStretch : call.width;
      const double sum = call.rows[row].others + call.rows[row].target;
      const auto factor = static_cast<float>(share_of_row / sum);
      float* e = call.e + row * call.width;
      for (std::int64_t i = begin; i < end; ++i) {
        const float y = e[i] * factor;
        e[i] = i == call.targets[row] ? y - share : y;
      }
    }
  }

 private:
  static constexpr std::int64_t kStretch = 32;
  PRECIPICE_HD std::int64_t stretches() const { return (call.width + kStretch - 1) / kStretch; }
};

// The same of bf16 logits, which become their gradient, a bf16 number as a quantizer would have made it.
struct Bf16LogitGradientLaunch {
  LogitGradient call;

  PRECIPICE_HD std::int64_t items() const { return call.count * stretches(); }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    const double share_of_row = call.share.value();
    const auto share = static_cast<float>(share_of_row);
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t row = item / stretches(), begin = item % stretches() * kStretch;
      const LogitRow& found = call.rows[row];
      const auto factor = static_cast<float>(share_of_row / (found.others + found.target));
      std::uint16_t* z = call.packed + row * call.width;
      for (std::int64_t first = begin; first < begin + kStretch && first < call.width; first += 4) {
        const Quad quad = quad_of(first, call.width);
        std::uint16_t logits[4] = {}, gradient[4] = {};
        load_quad(z, quad, logits);
        for (int k = 0; k < 4; ++k) {
          if (!quad.has(k)) continue;
          const float y = row_exponential(float_of_bf16(logits[k]) - found.high) * factor;
          const float result = first + k == call.targets[row] ? y - share : y;
          gradient[k] = bf16_bits(__builtin_bit_cast(std::uint32_t, nearest_bf16(result)));
        }
        store_quad(gradient, quad, z);
      }
    }
  }

 private:
  static constexpr std::int64_t kStretch = 8;
  PRECIPICE_HD std::int64_t stretches() const { return (call.width + kStretch - 1) / kStretch; }
};

}  // namespace precipice
