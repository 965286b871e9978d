// SPDX-License-Identifier: Apache-2.0
// Keeping an array (optim/store.h) as kernel bodies, with the bits of store(): scales of the whole or of blocks, then
//   q = round(x * scale),  x = q * (1 / scale)
// An amax of a block is one thread's. Host and device, no CUDA in them.
#pragma once

#include <cstdint>

#include "optim/multi_tensor/cuda_kernels.h"
#include "precision/base/host_device.h"
#include "precision/cuda/launch.h"
#include "precision/cuda/quantize_launch.h"
#include "precision/scaling/scale_formulas.h"

namespace precipice {

struct FillLaunch {
  FloatSpan values;
  float value;

  PRECIPICE_HD std::int64_t items() const { return values.size; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t i = position.thread; i < values.size; i += position.threads) values.data[i] = value;
  }
};

PRECIPICE_HD bool is_closed(const CudaStoreCall& call) {
  return call.gate != nullptr && call.gate->is_open == 0;
}

// The next scale of every block.
struct StoredScalesLaunch {
  CudaStoreCall call;
  const float* amax_of_all;  // where all values have one scale; else null

  PRECIPICE_HD std::int64_t items() const { return call.scales.size; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    if (is_closed(call)) return;
    for (std::int64_t block = position.thread; block < items(); block += position.threads) {
      const ScaleEnds ends{amax(block), call.max_finite};
      float& scale = call.scales.data[block];
      scale = call.ms_amp ? ms_amp_scale(ends, scale) : te_current_scale(ends, call.power_of_two);
    }
  }

 private:
  PRECIPICE_HD float amax(std::int64_t block) const {
    if (amax_of_all != nullptr) return *amax_of_all;
    const std::int64_t begin = block * call.block, left = call.values.size - begin;
    const std::int64_t end = begin + (left < call.block ? left : call.block);
    std::int32_t found = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t pattern = pattern_in<Binary32>(call.values.data[i]);
      found = pattern > found ? pattern : found;
    }
    return amax_of_pattern(found);
  }
};

struct StoredNumbersLaunch {
  CudaStoreCall call;

  PRECIPICE_HD std::int64_t items() const { return quantize_items(call.round); }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    if (is_closed(call)) return;
    dispatch_call<KernelRounding::Any>(call.round,
                                       [&]<Rounding R, bool General>() { round_items<R, General>(position); });
  }

 private:
  template <Rounding R, bool General>
  PRECIPICE_HD void round_items(ThreadPosition position) const {
    LaunchCounts ignored{};
    for_random_blocks<R>(call.round, position, [&](const Quad& quad, const QuadWords& random) {
      float x[4];
      load_quad(call.round.in, quad, x);
      for (int k = 0; k < 4; ++k) {
        if (!quad.has(k)) continue;
        const float scale = call.scaled ? call.scales.data[(quad.first + k) / call.block] : 1.0f;
        const float product = scaled_by(x[k], scale, false);
        x[k] = round_element<Binary32, R, General>(call.round, x[k], product, random.at[k], ignored);
        if (scale != 1.0f) x[k] *= 1.0f / scale;
      }
      store_quad(x, quad, call.round.out);
    });
  }
};

}  // namespace precipice
