// SPDX-License-Identifier: Apache-2.0
// Rows of logits under cross-entropy as kernel bodies: logit_row() of row_kernels.h, whose bits they give, a row by a
// thread: chunks of 64 groups of lanes are summed in binary32, over the lanes' tree, and their sums in binary64.
#pragma once

#include <cstdint>
#include <limits>

#include "precision/base/host_device.h"
#include "precision/calls/logit_calls.h"
#include "precision/cuda/launch.h"
#include "precision/cuda/row_launch.h"

namespace precipice {

struct LogitRowsLaunch {
  LogitRowsCall call;

  PRECIPICE_HD std::int64_t items() const { return call.count; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t row = position.thread; row < call.count; row += position.threads) {
      const std::int64_t target = call.targets[row];
      if (target >= 0 && target < call.width)
        read(row, target);
      else
        leave(row);
    }
  }

 private:
  // Of a target that is no logit: NaN, which the loss shows, and nothing is read.
  PRECIPICE_HD void leave(std::int64_t row) const {
    LogitRow nothing{};
    nothing.others = nothing.target = std::numeric_limits<double>::quiet_NaN();
    call.rows[row] = nothing;
    call.target_logits[row] = std::numeric_limits<float>::quiet_NaN();
    if (call.e == nullptr) return;
    for (std::int64_t i = 0; i < call.width; ++i) call.e[row * call.width + i] = 0.0f;
  }

  static constexpr std::int64_t kChunk = 64 * kRowLanes;
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();

  PRECIPICE_HD void read(std::int64_t row, std::int64_t target) const {
    const float* z = call.z + row * call.width;
    float* e = call.e == nullptr ? nullptr : call.e + row * call.width;
    LogitRow result = extremes_of(z);
    const float m = result.high;
    for (std::int64_t begin = 0; begin < call.width; begin += kChunk) {
      const std::int64_t end = begin + kChunk < call.width ? begin + kChunk : call.width;
      if (call.moments)
        add_chunk<true>(z, begin, end, target, m, e, result);
      else
        add_chunk<false>(z, begin, end, target, m, e, result);
    }
    const float of_target = row_exponential(z[target] - m);
    if (e != nullptr) e[target] = of_target;
    result.target = static_cast<double>(of_target);
    call.rows[row] = result;
    call.target_logits[row] = z[target];
  }

  PRECIPICE_HD LogitRow extremes_of(const float* z) const {
    float low[kRowLanes], high[kRowLanes];
    for (int lane = 0; lane < kRowLanes; ++lane) low[lane] = kInfinity, high[lane] = -kInfinity;
    for (std::int64_t begin = 0; begin < call.width; begin += kRowLanes) {
      for (int lane = 0; lane < kRowLanes; ++lane) {
        const float x = begin + lane < call.width ? z[begin + lane] : z[0];
        low[lane] = x < low[lane] ? x : low[lane];
        high[lane] = high[lane] < x ? x : high[lane];
      }
    }
    LogitRow result{};
    result.high = fold_row_lanes(high, [](float a, float b) { return a < b ? b : a; });
    result.low = fold_row_lanes(low, [](float a, float b) { return b < a ? b : a; });
    return result;
  }

  // The target's own term is left out: it must not drown the others.
  template <bool Moments>
  PRECIPICE_HD void add_chunk(const float* z, std::int64_t begin, std::int64_t end, std::int64_t target, float m,
                              float* e, LogitRow& row) const {
    constexpr float kBound = 1e12f;  // what moments see of an infinite logit, whose term is 0
    float sums[kRowLanes] = {}, moments[kLogitMoments][kRowLanes] = {};
    for (std::int64_t first = begin; first < end; first += kRowLanes) {
      for (int lane = 0; lane < kRowLanes; ++lane) {
        const std::int64_t i = first + lane;
        const float x = i < end && i != target ? z[i] : -kInfinity;
        float power = row_exponential(x - m);
        if (e != nullptr && i < end) e[i] = power;
        sums[lane] += power;
        if constexpr (Moments) {
          const float magnitude = __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, x) & 0x7FFFFFFFu);
          const float reach = (magnitude < kBound ? magnitude : kBound) + 1.0f;
          for (int j = 0; j < kLogitMoments; ++j) {
            power *= reach;
            moments[j][lane] += power;
          }
        }
      }
    }
    const auto add = [](float a, float b) { return a + b; };
    row.others += static_cast<double>(fold_row_lanes(sums, add));
    if constexpr (Moments)
      for (int j = 0; j < kLogitMoments; ++j) row.moments[j] += static_cast<double>(fold_row_lanes(moments[j], add));
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

}  // namespace precipice
