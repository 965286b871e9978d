// SPDX-License-Identifier: Apache-2.0
// What every result of a quantizer is a multiple of: the format's quantum or, where the format goes down so far that
// its products could be subnormal in fp32, the last place of the smallest number that did come out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "precision/format/quantum.h"

namespace precipice {

class ResultQuantum {
 public:
  explicit ResultQuantum(const FloatFormat& element)
      : mantissa_bits_(element.mantissa_bits), finest_(quantum_of(element)) {}

  // Whether record() is to be told of results.
  bool depends_on_results() const { return finest_ < kKnownFine; }
  // QuantizeCall's smallest_result of some of them.
  void record(std::uint32_t smallest_result) { smallest_ = std::min(smallest_, smallest_result); }
  double value() const {
    const std::uint32_t pattern = smallest_ + 1;  // 0: only zeros, or not known
    if (!depends_on_results() || pattern < 0x800000 || pattern >= 0x7F800000) return finest_;
    return std::max(finest_, std::ldexp(1.0, static_cast<int>(pattern >> 23) - 127 - mantissa_bits_));
  }

 private:
  static constexpr double kKnownFine = 0x1p-63;  // products of such quanta are normal in fp32

  int mantissa_bits_;
  double finest_;  // the format's
  std::uint32_t smallest_ = ~0u;
};

}  // namespace precipice
