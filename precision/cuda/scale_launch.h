// SPDX-License-Identifier: Apache-2.0
// Operands with their scales as kernel bodies: what the CPU's loops of precision/quantize/cpu_scales.cpp do, with their
// bits; a thread has an element. Host and device, no CUDA in them.
#pragma once

#include <cstdint>

#include "precision/accumulator/scaled_operands.h"
#include "precision/base/host_device.h"
#include "precision/calls/factor.h"
#include "precision/calls/matrix_numbers.h"
#include "precision/cuda/launch.h"
#include "precision/format/bf16_bits.h"
#include "precision/format/log2_exponent.h"
#include "precision/rounding/round_to_format.h"

namespace precipice {

struct ScaleSumsLaunch {
  ScaledSums call;

  PRECIPICE_HD std::int64_t items() const { return call.rows * call.cols; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t i = position.thread; i < items(); i += position.threads) {
      const float factor = call.a(i / call.cols, call.block) * call.b(i % call.cols, call.block);
      const float product = call.sums[i] * factor;
      call.y[i] = call.sums == call.y ? product : call.y[i] + product;
    }
  }
};

struct ScaleNumbersLaunch {
  ScaledNumbers call;
  ScaleRange* range;  // whose `inexact` is raised; or null

  PRECIPICE_HD std::int64_t items() const { return call.rows * call.cols; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    std::uint32_t found = 0;
    for (std::int64_t i = position.thread; i < items(); i += position.threads) {
      const std::int64_t row = i / call.cols / call.block_rows * call.block_rows, col = i % call.cols;
      const float factor = call.scales(row, col / call.block_k);
      const float value = call.in_bf16 ? float_of_bf16(static_cast<const std::uint16_t*>(call.in)[i])
                                       : static_cast<const float*>(call.in)[i];
      const float product = value * factor;
      if (product - product != 0.0f && value - value == 0.0f && factor - factor == 0.0f) found = 1;
      if (factor == kScaleOfZeros && value != 0.0f) found = 1;
      if (!call.out_bf16) {
        static_cast<float*>(call.out)[i] = product;
        continue;
      }
      const std::uint16_t bits = bf16_bits(__builtin_bit_cast(std::uint32_t, product));
      static_cast<std::uint16_t*>(call.out)[i] = bits;
      if (call.checks_bf16 && product == product && float_of_bf16(bits) != product) found = 1;
    }
    if (found != 0 && range != nullptr) Atomics::raise(range->inexact, found);
  }
};

// Of positive scales but kScaleOfZeros, as numbers that can be raised.
struct ScaleExtremes {
  std::int64_t above_smallest = 0;  // the bits that the smallest one's pattern has not; 0: there is none
  std::int64_t has_others = 0;      // 1: one is no power of two
};

template <class Atomics>
PRECIPICE_HD void merge(ScaleExtremes& to, const ScaleExtremes& from) {
  if (from.above_smallest != 0) Atomics::raise(to.above_smallest, from.above_smallest);
  if (from.has_others != 0) Atomics::raise(to.has_others, from.has_others);
}

struct RangeOfScalesLaunch {
  const float* scales;
  std::int64_t size;
  LaunchSums<ScaleExtremes>* sums;
  ScaleRange* range;

  PRECIPICE_HD std::int64_t items() const { return size; }
  PRECIPICE_HD void clear(ScaleExtremes& shared) const { shared = ScaleExtremes{}; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position, ScaleExtremes& shared) const {
    ScaleExtremes own{};
    for (std::int64_t i = position.thread; i < size; i += position.threads) {
      const float scale = scales[i];
      if (!(scale > 0.0f) || scale == kScaleOfZeros) continue;
      const auto above = static_cast<std::int64_t>(~__builtin_bit_cast(std::uint32_t, scale));
      own.above_smallest = above > own.above_smallest ? above : own.above_smallest;
      if (has_mantissa(scale)) own.has_others = 1;
    }
    merge<Atomics>(shared, own);
  }
  template <class Atomics>
  PRECIPICE_HD void publish(const ScaleExtremes& shared) const {
    merge<Atomics>(sums->sums, shared);
  }
  template <class Atomics>
  PRECIPICE_HD void finish() const {
    const std::int64_t above_smallest = Atomics::take(sums->sums.above_smallest);
    const bool has_others = Atomics::take(sums->sums.has_others) != 0;
    ScaleRange found;
    const float least = __builtin_bit_cast(float, ~static_cast<std::uint32_t>(above_smallest));
    if (above_smallest != 0 && least < found.smallest) found.smallest = least;
    found.powers_of_two = has_others ? 0 : 1;
    *range = found;
  }
};

struct DivideOuterLaunch {
  const float* scales;
  std::int64_t size;
  Factor outer;
  FormatConstants e4m3;
  float* out;  // may be `scales`

  PRECIPICE_HD std::int64_t items() const { return size; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    const float by = outer.value();
    for (std::int64_t i = position.thread; i < size; i += position.threads)
      out[i] = round_to_format<Rounding::NearestEven>(scales[i] / by, e4m3);
  }
};

}  // namespace precipice
