// SPDX-License-Identifier: Apache-2.0
// The loss of bf16 logits by the kernels against the loss of the same numbers in fp32 by the kernels, whose gradient the
// host's quantizer rounds to bf16: bit for bit, but that a NaN may be any.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "precision/format/bf16_bits.h"
#include "precision/format/format_presets.h"
#include "precision/kernels/quantize_kernels.h"
#include "tests/cuda/quantize_comparison.h"
#include "tests/cuda/step_comparison.h"

namespace precipice::test {

// `upstream`: the gradient of the mean.
inline void compare_bf16_logits(const Kernels& kernels, const std::vector<std::uint16_t>& packed, std::int64_t width,
                                const std::vector<std::int64_t>& targets, float upstream, Launch launch) {
  const auto count = static_cast<std::int64_t>(targets.size()), size = count * width;
  constexpr std::size_t kWords = sizeof(LogitRow) / sizeof(double);
  const DeviceResult<float> gradient(kernels, upstream);
  const MeanShare share{gradient.data(), 1, static_cast<double>(count)};
  const std::vector<float> z = unpacked(packed), none(targets.size());
  const std::vector<double> no_rows(targets.size() * kWords);
  DeviceArray<std::int64_t> dev_targets(kernels, targets);
  DeviceArray<float> dev_z(kernels, z), dev_e(kernels, std::vector<float>(z.size())), of_targets(kernels, none),
      of_bf16_targets(kernels, none);
  DeviceArray<std::uint16_t> dev_packed(kernels, packed, static_cast<std::size_t>(width % 3));
  DeviceArray<double> dev_rows(kernels, no_rows), rows_of_bf16(kernels, no_rows);
  LogitRowsCall call{dev_z.data(),
                     dev_targets.data(),
                     count,
                     width,
                     false,
                     dev_e.data(),
                     reinterpret_cast<LogitRow*>(dev_rows.data()),
                     of_targets.data()};
  require_done(kernels.step->logit_rows(call, launch));
  call = {nullptr,
          dev_targets.data(),
          count,
          width,
          false,
          nullptr,
          reinterpret_cast<LogitRow*>(rows_of_bf16.data()),
          of_bf16_targets.data(),
          dev_packed.data()};
  require_done(kernels.step->logit_rows(call, launch));
  const std::vector<double> expected_rows = dev_rows.contents(), found_rows = rows_of_bf16.contents();
  for (std::size_t row = 0; row < targets.size(); ++row) {
    LogitRow expected, found;
    __builtin_memcpy(static_cast<void*>(&expected), expected_rows.data() + row * kWords, sizeof(expected));
    __builtin_memcpy(static_cast<void*>(&found), found_rows.data() + row * kWords, sizeof(found));
    CHECK(same_row(found, expected));
  }
  check_same_numbers(of_bf16_targets, of_targets.contents());

  LogitGradient back{dev_e.data(), dev_targets.data(), reinterpret_cast<LogitRow*>(dev_rows.data()), count, width,
                     share};
  require_done(kernels.step->logit_gradient(back, launch));
  back.e = nullptr, back.packed = dev_packed.data();
  require_done(kernels.step->logit_gradient(back, launch));
  const std::vector<float> exact = dev_e.contents();
  std::vector<std::uint16_t> expected(z.size());
  QuantizeCall rounding = prepare_call(exact.data(), nullptr, size,
                                       ElementQuantizer{kBf16, Rounding::NearestEven, Overflow::Native}, 1.0f, {}, 0);
  std::uint32_t smallest = ~0u;
  rounding.packed = expected.data(), rounding.smallest_result = &smallest;
  active_kernels().quantize(rounding);
  const std::vector<float> rounded = unpacked(expected), found = unpacked(dev_packed.contents());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < rounded.size(); ++i) wrong += !same_number(double{found[i]}, double{rounded[i]});
  CHECK(wrong == 0);
}

// Finite numbers alone, or NaN and infinities too, and what the rows of a step have; targets that are no logits.
inline void compare_bf16_logit_rows(const Kernels& kernels) {
  for (std::int64_t width = 1; width <= 70; ++width) {
    const std::vector<Launch> launches = next_launches(kernels);
    const Launch launch = launches[static_cast<std::size_t>(width) % launches.size()];
    INFO("width " << width);
    std::vector<std::uint16_t> packed;
    for (const float z : logits_of(width)) packed.push_back(bf16_bits(std::bit_cast<std::uint32_t>(z)));
    compare_bf16_logits(kernels, packed, width, {width / 2, width - 1, 0}, 0.3f, launch);
    compare_bf16_logits(kernels, packed, width, {0, width, -1}, 1e9f, launch);
  }
  // All that are finite in one row, all between -90 and 90 in another, that every e and every result is one of many.
  std::vector<std::uint16_t> all, near;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float z = float_of_bf16(static_cast<std::uint16_t>(bits));
    if (std::isfinite(z)) all.push_back(static_cast<std::uint16_t>(bits));
    if (std::abs(z) < 90) near.push_back(static_cast<std::uint16_t>(bits));
  }
  for (const std::vector<std::uint16_t>& row : {all, near})
    for (const float upstream : {1.0f, 65536.0f})
      compare_bf16_logits(kernels, row, static_cast<std::int64_t>(row.size()), {17}, upstream,
                          next_launches(kernels)[0]);
  std::vector<std::uint16_t> step;
  for (const float z : row_numbers(50304, 43)) step.push_back(bf16_bits(std::bit_cast<std::uint32_t>(z)));
  compare_bf16_logits(kernels, step, 50304, {50303}, 1.0f, next_launches(kernels)[0]);
}

// Ties of the gradient to even and away, numbers just beside one, below the normal numbers and beyond the largest: the only
// other logit's e is 0, so that the gradient of the first is the share.
inline void compare_bf16_ties(const Kernels& kernels) {
  const std::vector<std::uint16_t> logits = {0x3F80, 0xC2F0};  // 1, -120
  for (const float share : {0x1.01p0f, 0x1.03p0f, 0x1.010002p0f, -0x1.03p-120f, 0x1.4p-133f, 0x1.8p-133f, 0x1.ffp127f})
    compare_bf16_logits(kernels, logits, 2, {1}, share, next_launches(kernels)[0]);
}

}  // namespace precipice::test
