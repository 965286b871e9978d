// SPDX-License-Identifier: Apache-2.0
// The loops of precision/kernels/row_kernels.h for the threads of a GPU, which give their bits: sixteen threads have a row, and
// are the sixteen lanes of lanes.h: thread k has the columns k, k + 16, ... and neighbours read what lies side by side. Sums go over the
// same tree, from thread to thread (`Lanes`, launch_cuda.cuh). Host and device, no CUDA in them.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "precision/base/host_device.h"
#include "precision/cuda/largest.h"
#include "precision/cuda/launch.h"
#include "precision/kernels/row_kernels.h"

namespace precipice {

// Lanes of a row: this thread's number among them, and
//   T fold(T own, join)   of lanes k and k + 8 the join, then of these k and k + 4, k and k + 2, k and k + 1, in all of them
template <class Lanes>
concept RowLanes = requires(const Lanes& lanes) {
  lanes.index();
};

// The same of lanes that one thread has.
template <class Join>
PRECIPICE_HD float fold_row_lanes(const float (&x)[kRowLanes], const Join& join) {
  float a[8], b[4];
  for (int k = 0; k < 8; ++k) a[k] = join(x[k], x[k + 8]);
  for (int k = 0; k < 4; ++k) b[k] = join(a[k], a[k + 4]);
  return join(join(b[0], b[2]), join(b[1], b[3]));
}

// Sum of value(i) for i below `size`, and above as far as the lanes go, where value(i) is what a lane without a number
// adds.
template <RowLanes Lanes, class Value>
PRECIPICE_HD float lane_sum(const Lanes& lanes, std::int64_t size, const Value& value) {
  float sum = 0.0f;
  for (std::int64_t begin = 0; begin < size; begin += kRowLanes) sum += value(begin + lanes.index());
  return lanes.fold(sum, [](float a, float b) { return a + b; });
}

// exponential_of_lanes(), of one number.
PRECIPICE_HD float row_exponential(float x) {
  constexpr float kLog2E = 0x1.715476p+0f, kLowest = -87.3f, kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f,
                  kShift = 0x1.8p23f;
  const float bounded = x < kLowest ? 0.0f : x;
  const float shifted = bounded * kLog2E + kShift, n = shifted - kShift;
  const float r = (bounded - n * kLn2High) - n * kLn2Low;
  float p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = (p * (r * r) + r) + 1.0f;
  const float power = __builtin_bit_cast(float, (__builtin_bit_cast(std::uint32_t, shifted) + 127u) << 23);
  return x < kLowest ? 0.0f : p * power;
}

struct NormForwardLaunch {
  NormForward call;
  std::int64_t rows;

  template <RowLanes Lanes, class Seen>
  PRECIPICE_HD void run_row(std::int64_t row, const Lanes& lanes, Seen& seen) const {
    const std::int64_t width = call.width, first = lanes.index();
    const float* x = call.x + row * width;
    if (call.addend != nullptr) {
      const float* addend = call.addend + row * width;
      float* sum = call.sum + row * width;
      for (std::int64_t i = first; i < width; i += kRowLanes) sum[i] = x[i] + addend[i];
      x = sum;
    }
    const auto size = static_cast<float>(width);
    const float mean =
        call.centred ? lane_sum(lanes, width, [&](std::int64_t i) { return i < width ? x[i] : 0.0f; }) / size : 0.0f;
    const float squares = lane_sum(lanes, width, [&](std::int64_t i) {
      const float a = (i < width ? x[i] : mean) - mean;
      return a * a;
    });
    const float r = 1.0f / std::sqrt(squares / size + call.eps);
    if (first == 0) call.statistics[2 * row] = mean, call.statistics[2 * row + 1] = r;
    float* y = call.y + row * width;
    for (std::int64_t i = first; i < width; i += kRowLanes) {
      float a = (x[i] - mean) * r * call.gain[i];
      if (call.bias != nullptr) a += call.bias[i];
      y[i] = a;
      seen.see(a);
    }
  }
};

// dx of every row.
struct NormBackwardLaunch {
  NormBackward call;
  std::int64_t rows;

  template <RowLanes Lanes, class Seen>
  PRECIPICE_HD void run_row(std::int64_t row, const Lanes& lanes, Seen& seen) const {
    const std::int64_t width = call.width;
    const auto size = static_cast<float>(width);
    const float *x = call.x + row * width, *dy = call.dy + row * width;
    const float mean = call.statistics[2 * row], r = call.statistics[2 * row + 1];
    const auto h = [&](std::int64_t i) { return ((i < width ? x[i] : mean) - mean) * r; };
    const auto g = [&](std::int64_t i) { return i < width ? dy[i] * call.gain[i] : 0.0f; };
    const float shift = call.centred ? lane_sum(lanes, width, g) / size : 0.0f;
    const float along = lane_sum(lanes, width, [&](std::int64_t i) { return g(i) * h(i); }) / size;
    const float* addend = call.addend == nullptr ? nullptr : call.addend + row * width;
    float* dx = call.dx + row * width;
    for (std::int64_t i = lanes.index(); i < width; i += kRowLanes) {
      float result = (g(i) - shift - h(i) * along) * r;
      if (addend != nullptr) result += addend[i];
      dx[i] = result;
      seen.see(result);
    }
  }
};

// Gradients of gains and biases: a thread has a column of a chunk of rows, and adds them in their order. They are written, not
// added to what is there.
struct NormParametersLaunch {
  NormBackward call;  // dgain: (chunks, 2, width)
  std::int64_t rows, rows_per_chunk;

  PRECIPICE_HD std::int64_t items() const { return (rows + rows_per_chunk - 1) / rows_per_chunk * call.width; }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    for (std::int64_t item = position.thread; item < items(); item += position.threads) {
      const std::int64_t chunk = item / call.width, column = item % call.width, first = chunk * rows_per_chunk;
      const std::int64_t last = first + rows_per_chunk < rows ? first + rows_per_chunk : rows;
      const std::int64_t place = chunk * 2 * call.width + column;
      float of_gain = 0.0f, of_bias = 0.0f;
      for (std::int64_t row = first; row < last; ++row) {
        const float upstream = call.dy[row * call.width + column];
        const float h = (call.x[row * call.width + column] - call.statistics[2 * row]) * call.statistics[2 * row + 1];
        of_gain = of_gain + upstream * h;
        of_bias = of_bias + upstream;
      }
      call.dgain[place] = of_gain;
      if (call.dbias != nullptr) call.dbias[place] = of_bias;
    }
  }
};

struct CausalSoftmaxLaunch {
  float* scores;
  std::int64_t length, rows;
  float scale;

  template <RowLanes Lanes>
  PRECIPICE_HD void run_row(std::int64_t row, const Lanes& lanes, Unseen&) const {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    float* p = scores + row * length;
    const std::int64_t past = row % length + 1, first = lanes.index();
    float largest = -kInfinity;
    for (std::int64_t i = first; i < past; i += kRowLanes) largest = largest < p[i] ? p[i] : largest;
    const float m = lanes.fold(largest, [](float a, float b) { return a < b ? b : a; }) * scale;
    const float total = lane_sum(lanes, past, [&](std::int64_t i) {
      const float e = row_exponential((i < past ? p[i] : -kInfinity) * scale - m);
      if (i < past) p[i] = e;
      return e;
    });
    for (std::int64_t i = first; i < length; i += kRowLanes) p[i] = i < past ? p[i] / total : 0.0f;
  }
};

struct CausalSoftmaxBackwardLaunch {
  const float* weights;
  float* gradients;
  const float* deltas;  // or null
  std::int64_t length, rows;
  float scale;

  template <RowLanes Lanes>
  PRECIPICE_HD void run_row(std::int64_t row, const Lanes& lanes, Unseen&) const {
    const float* p = weights + row * length;
    float* g = gradients + row * length;
    const std::int64_t past = row % length + 1;
    const float mean = deltas != nullptr
                           ? deltas[row]
                           : lane_sum(lanes, past, [&](std::int64_t i) { return i < past ? p[i] * g[i] : 0.0f; });
    for (std::int64_t i = lanes.index(); i < length; i += kRowLanes)
      g[i] = i < past ? p[i] * scale * (g[i] - mean) : 0.0f;
  }
};

struct GeluNumbers {
  float value, derivative;
};
PRECIPICE_HD GeluNumbers gelu_of(float v) {
  constexpr float kP = 0.3275911f * 0.70710678f, kDensity = 0.39894228f;
  const float t = 1.0f / ((v < 0 ? -v : v) * kP + 1.0f), e = row_exponential(v * v * -0.5f);
  const float series = (((t * 1.061405429f + -1.453152027f) * t + 1.421413741f) * t + -0.284496736f) * t + 0.254829592f;
  const float tail = series * t * e * 0.5f;
  const float phi = v < 0.0f ? tail : 1.0f - tail;
  return {v * phi, v * e * kDensity + phi};
}

// A thread has numbers that lie far from each other, neighbours those side by side.
struct GeluLaunch {
  const float* x;
  std::int64_t size;
  float* y;

  PRECIPICE_HD std::int64_t items() const { return size; }
  template <class Seen>
  PRECIPICE_HD void run_seen(ThreadPosition position, Seen& seen) const {
    for (std::int64_t i = position.thread; i < size; i += position.threads) {
      y[i] = gelu_of(x[i]).value;
      seen.see(y[i]);
    }
  }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    Unseen nobody;
    run_seen(position, nobody);
  }
};

struct GeluGradientLaunch {
  const float *x, *dy;
  std::int64_t size;
  float* dx;

  PRECIPICE_HD std::int64_t items() const { return size; }
  template <class Seen>
  PRECIPICE_HD void run_seen(ThreadPosition position, Seen& seen) const {
    for (std::int64_t i = position.thread; i < size; i += position.threads) {
      dx[i] = gelu_of(x[i]).derivative * dy[i];
      seen.see(dx[i]);
    }
  }
  template <class Atomics>
  PRECIPICE_HD void run(ThreadPosition position) const {
    Unseen nobody;
    run_seen(position, nobody);
  }
};

}  // namespace precipice
