// SPDX-License-Identifier: Apache-2.0
// Exact sums on the way to one rounding. Round to odd keeps what was lost as the last bit: a sum rounded so to P bits
// and then to p <= P - 2 in any direction is the exact sum rounded once, to P - 2 bits or fewer as any stochastic mode
// sees them (Boldo, Melquiond, "Emulation of FMA and correctly rounded sums", IEEE TC 2008).
#pragma once

#include <cstdint>

#include "precision/base/host_device.h"
#include "precision/rounding/round_to_format.h"

namespace precipice {

// x + y rounded to odd, from the nearest sum s and its error e (Knuth's TwoSum, exact without overflow). Where e points
// toward zero the neighbour on that side is |s| less one pattern; either that or s is odd. Infinities and NaN come out
// as in IEEE 754: then e is NaN, and its comparisons are false. A sum of finite numbers must not overflow.
template <class Source>
PRECIPICE_HD constexpr typename Source::Float sum_to_odd(typename Source::Float x, typename Source::Float y) {
  using Float = typename Source::Float;
  using Int = typename Source::Int;
  const Float s = x + y;
  const Float z = s - x;
  const Float e = (x - (s - z)) + (y - z);
  const Int negative_error = e<0, positive_error = e> 0, negative_sum = s < 0;
  const Int inexact = negative_error | positive_error;
  const Int toward_zero = inexact & (negative_error ^ negative_sum);
  return __builtin_bit_cast(Float, (__builtin_bit_cast(Int, s) - toward_zero) | inexact);
}

PRECIPICE_HD constexpr float with_one_nan(float x) {
  return x == x ? x : __builtin_bit_cast(float, Binary32::kQuietNan);
}

}  // namespace precipice
