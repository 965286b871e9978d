// SPDX-License-Identifier: Apache-2.0
// What every result of a quantizer is a multiple of: the format's quantum or, where the format goes down so far that
// its products could be subnormal in fp32, the last place of the smallest number that did come out. Host and device.
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/format/quantum.h"

namespace precipice {

class ResultQuantum {
 public:
  explicit ResultQuantum(const FloatFormat& element)
      : mantissa_bits_(element.mantissa_bits), finest_(quantum_of(element)) {}

  // Whether record() is to be told of results.
  PRECIPICE_HD bool depends_on_results() const { return finest_ < kKnownFine; }
  // QuantizeCall's smallest_result of some of them.
  PRECIPICE_HD void record(std::uint32_t smallest_result) {
    if (smallest_result < smallest_) smallest_ = smallest_result;
  }
  PRECIPICE_HD double value() const {
    const std::uint32_t pattern = smallest_ + 1;  // 0: only zeros, or not known
    if (!depends_on_results() || pattern < 0x800000 || pattern >= 0x7F800000) return finest_;
    // 2^(e - M) of a normal number 1.f 2^e, normal in binary64.
    const auto exponent = static_cast<std::int64_t>(pattern >> 23) - 127 - mantissa_bits_;
    const double place = __builtin_bit_cast(double, (exponent + 1023) << 52);
    return place > finest_ ? place : finest_;
  }

 private:
  static constexpr double kKnownFine = 0x1p-63;  // products of such quanta are normal in fp32

  int mantissa_bits_;
  double finest_;  // the format's
  std::uint32_t smallest_ = ~0u;
};

}  // namespace precipice
