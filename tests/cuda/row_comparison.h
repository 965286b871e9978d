// SPDX-License-Identifier: Apache-2.0
// Norms, causal softmax and GELU by the kernels against row_kernels() on the host: bit for bit, but that a NaN may be any.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "precision/kernels/row_kernels.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/cuda/multi_tensor_comparison.h"

namespace precipice::test {

// Of both signs and of magnitudes 2^-12 to 2^4; with `bad`, an infinity and a NaN among them.
inline std::vector<float> row_numbers(std::int64_t size, std::uint32_t seed, bool bad = false) {
  Stream stream{seed};
  std::vector<float> numbers(static_cast<std::size_t>(size));
  for (float& x : numbers)
    x = std::ldexp(stream.next() % 2001 / 1000.0f - 1.0f, static_cast<int>(stream.next() % 16) - 11);
  if (bad && size > 3) numbers[static_cast<std::size_t>(size) / 2] = std::numeric_limits<float>::infinity();
  if (bad && size > 40) numbers[static_cast<std::size_t>(size) - 2] = std::numeric_limits<float>::quiet_NaN();
  return numbers;
}

inline void check_same_numbers(DeviceArray<float>& device, const std::vector<float>& host) {
  const std::vector<float> found = device.contents();
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < host.size(); ++i) wrong += !same_number(double{found[i]}, double{host[i]});
  CHECK(wrong == 0);
}

// NaN if there is one.
inline float amax_among(const std::vector<float>& x) {
  float largest = 0.0f;
  for (const float number : x) {
    if (std::isnan(number)) return number;
    largest = std::max(largest, std::abs(number));
  }
  return largest;
}

// Rows of one norm, forward and back, in chunks of 4.
inline void compare_norm(const Kernels& kernels, std::int64_t width, bool centred, bool adds, bool bad, Launch launch) {
  constexpr std::int64_t kRows = 11, kPerChunk = 4, kChunks = 3;
  const std::vector<float> x = row_numbers(kRows * width, 1, bad), addend = row_numbers(kRows * width, 2),
                           gain = row_numbers(width, 3), bias = row_numbers(width, 4);
  const auto zeros = [](std::int64_t size) { return std::vector<float>(static_cast<std::size_t>(size)); };
  std::vector<float> sum = zeros(kRows * width), y = sum, dx = sum, statistics = zeros(2 * kRows),
                     parameters = zeros(kChunks * 2 * width);
  DeviceArray<float> dev_x(kernels, x), dev_addend(kernels, addend), dev_gain(kernels, gain), dev_bias(kernels, bias),
      dev_sum(kernels, sum), dev_y(kernels, y), dev_dx(kernels, dx), dev_statistics(kernels, statistics),
      dev_parameters(kernels, parameters);
  NormForward call{x.data(),
                   adds ? addend.data() : nullptr,
                   adds ? sum.data() : nullptr,
                   gain.data(),
                   centred ? bias.data() : nullptr,
                   y.data(),
                   statistics.data(),
                   width,
                   1e-5f,
                   centred};
  row_kernels().norm_forward(call, 0, kRows);
  call = {dev_x.data(),
          adds ? dev_addend.data() : nullptr,
          adds ? dev_sum.data() : nullptr,
          dev_gain.data(),
          centred ? dev_bias.data() : nullptr,
          dev_y.data(),
          dev_statistics.data(),
          width,
          1e-5f,
          centred};
  DeviceArray<float> amax(kernels, std::vector<float>(1));
  require_done(kernels.rows->norm_forward(call, kRows, launch));
  call.amax = amax.data();
  require_done(kernels.rows->norm_forward(call, kRows, launch));
  check_same_numbers(amax, {amax_among(y)});
  check_same_numbers(dev_y, y);
  check_same_numbers(dev_statistics, statistics);
  check_same_numbers(dev_sum, sum);

  NormBackward back{
      x.data(), y.data(), adds ? addend.data() : nullptr, gain.data(), statistics.data(), dx.data(), nullptr, nullptr,
      width,    centred};
  for (std::int64_t chunk = 0; chunk < kChunks; ++chunk) {
    back.dgain = parameters.data() + chunk * 2 * width;
    back.dbias = centred ? back.dgain + width : nullptr;
    row_kernels().norm_backward(back, chunk * kPerChunk, std::min(kRows, (chunk + 1) * kPerChunk));
  }
  back = {dev_x.data(),
          dev_y.data(),
          adds ? dev_addend.data() : nullptr,
          dev_gain.data(),
          dev_statistics.data(),
          dev_dx.data(),
          dev_parameters.data(),
          centred ? dev_parameters.data() + width : nullptr,
          width,
          centred,
          amax.data()};
  require_done(kernels.rows->norm_backward(back, kRows, kPerChunk, launch));
  check_same_numbers(amax, {amax_among(dx)});
  check_same_numbers(dev_dx, dx);
  check_same_numbers(dev_parameters, parameters);
}

inline void compare_norm_rows(const Kernels& kernels) {
  for (const std::int64_t width : {1, 7, 16, 33, 64})
    for (const bool centred : {true, false})
      for (const bool adds : {true, false})
        for (const Launch launch : next_launches(kernels)) {
          INFO("width " << width << ", centred " << centred << ", adds " << adds);
          compare_norm(kernels, width, centred, adds, width == 33, launch);
        }
}

inline void compare_softmax_rows(const Kernels& kernels) {
  for (const std::int64_t length : {1, 5, 16, 40})
    for (const Launch launch : next_launches(kernels)) {
      INFO("length " << length);
      const std::int64_t rows = 3 * length;
      std::vector<float> p = row_numbers(rows * length, 5), g = row_numbers(rows * length, 6), d = g;
      const std::vector<float> deltas = row_numbers(rows, 7);
      DeviceArray<float> dev_p(kernels, p), dev_g(kernels, g), dev_d(kernels, d), dev_deltas(kernels, deltas);
      row_kernels().causal_softmax(p.data(), length, 0.3f, 0, rows);
      require_done(kernels.rows->causal_softmax(dev_p.data(), length, 0.3f, rows, launch));
      check_same_numbers(dev_p, p);
      row_kernels().causal_softmax_backward(p.data(), g.data(), nullptr, length, 0.3f, 0, rows);
      require_done(
          kernels.rows->causal_softmax_backward(dev_p.data(), dev_g.data(), nullptr, length, 0.3f, rows, launch));
      check_same_numbers(dev_g, g);
      row_kernels().causal_softmax_backward(p.data(), d.data(), deltas.data(), length, 0.3f, 0, rows);
      require_done(kernels.rows->causal_softmax_backward(dev_p.data(), dev_d.data(), dev_deltas.data(), length, 0.3f,
                                                         rows, launch));
      check_same_numbers(dev_d, d);
    }
}

inline void compare_gelu(const Kernels& kernels) {
  for (const Launch launch : next_launches(kernels)) {
    std::vector<float> x = row_numbers(301, 8, true), y(x.size()), slope(x.size());
    for (std::size_t i = 0; i < 64; ++i) x[i] = static_cast<float>(i) / 4 - 8;
    const std::vector<float> dy = row_numbers(301, 9, true);
    DeviceArray<float> dev_x(kernels, x), dev_y(kernels, y), dev_dx(kernels, y), dev_dy(kernels, dy);
    DeviceArray<float> amax(kernels, std::vector<float>(1));
    const auto size = static_cast<std::int64_t>(x.size());
    row_kernels().gelu(x.data(), size, y.data(), slope.data());
    require_done(kernels.rows->gelu(dev_x.data(), size, dev_y.data(), amax.data(), launch));
    check_same_numbers(dev_y, y);
    check_same_numbers(amax, {amax_among(y)});
    require_done(kernels.rows->gelu(dev_x.data(), size, dev_y.data(), nullptr, launch));
    check_same_numbers(dev_y, y);
    std::vector<float> dx(x.size());
    for (std::size_t i = 0; i < dx.size(); ++i) dx[i] = slope[i] * dy[i];
    for (float* const room : {amax.data(), static_cast<float*>(nullptr)}) {
      require_done(kernels.rows->gelu_gradient(dev_x.data(), dev_dy.data(), size, dev_dx.data(), room, launch));
      check_same_numbers(dev_dx, dx);
    }
    check_same_numbers(amax, {amax_among(dx)});
  }
}

}  // namespace precipice::test
