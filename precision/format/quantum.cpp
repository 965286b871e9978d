// SPDX-License-Identifier: Apache-2.0
#include "precision/format/quantum.h"

#include "precision/format/exact_value.h"

namespace precipice {
namespace {

constexpr double kSmallestNormal = 0x1p-126;
constexpr double kSmallestBf16 = 0x1p-133;
constexpr double kLargestBf16 = 0x1.FEp127;

}  // namespace

double quantum_of(const FloatFormat& format) {
  return exact_value(1, format.emin() - format.mantissa_bits);
}

bool fits_bf16(const FloatFormat& format) {
  const int significant = format.mantissa_bits + (format.is_fixed_point() ? 0 : 1);
  return significant <= 8 && quantum_of(format) >= kSmallestBf16 && format.max_finite() <= kLargestBf16;
}

bool products_fit_bf16(double quantum, double other_quantum) {
  return quantum >= kSmallestNormal && other_quantum >= kSmallestNormal && quantum * other_quantum >= kSmallestNormal;
}

}  // namespace precipice
