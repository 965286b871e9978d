// SPDX-License-Identifier: Apache-2.0
// Rounding from the definition, as the oracle for precision/round_to_format.h: in double arithmetic that is exact
// because binary32 numbers are scaled by powers of two and cut with floor. It shares nothing with the code under test
// but the fields of FloatFormat. IEEE 754-2019 section 4.3; stochastic: IEEE P3109 interim report, variant A.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "precision/float_format.h"
#include "precision/rounding.h"

namespace precipice::reference {

inline double max_finite(const FloatFormat& f) {
  const int highest = static_cast<int>(std::lround(std::pow(2.0, f.exponent_bits))) - 1 - f.bias;
  const double place = std::ldexp(1.0, -f.mantissa_bits);
  if (f.specials == Specials::Ieee) return std::ldexp(2.0 - place, highest - 1);
  if (f.specials != Specials::Fn) return std::ldexp(2.0 - place, highest);
  // Fn: the value before all ones; with M = 0 that is in the binade below.
  return f.mantissa_bits > 0 ? std::ldexp(2.0 - 2.0 * place, highest) : std::ldexp(1.0, highest - 1);
}

// Whether |x| = (whole + fraction) quanta becomes whole + 1.
inline bool goes_up(Rounding rounding, double whole, double fraction, bool negative, std::uint32_t random, int bits) {
  if (fraction == 0.0) return false;
  const bool odd = std::fmod(whole, 2.0) == 1.0;
  switch (rounding) {
    case Rounding::NearestEven:
      return fraction > 0.5 || (fraction == 0.5 && odd);
    case Rounding::NearestAway:
      return fraction >= 0.5;
    case Rounding::TowardZero:
      return false;
    case Rounding::Up:
      return !negative;
    case Rounding::Down:
      return negative;
    case Rounding::ToOdd:
      return !odd;
    case Rounding::Stochastic: {
      const double words = std::ldexp(1.0, bits);
      const double drawn = std::floor(std::ldexp(static_cast<double>(random), bits - 32));
      return drawn + std::floor(fraction * words) >= words;
    }
  }
  return false;
}

inline float round(const FloatFormat& f, Rounding rounding, Overflow overflow, float x, std::uint32_t random = 0,
                   int random_bits = 32) {
  if (std::isnan(x)) return x;
  const bool negative = std::signbit(x);
  const double magnitude = std::fabs(static_cast<double>(x));
  double result = magnitude;
  if (magnitude > 0.0 && std::isfinite(x)) {
    const int quantum = std::max(std::ilogb(magnitude), 1 - f.bias) - f.mantissa_bits;
    const double quanta = std::ldexp(magnitude, -quantum);
    const double whole = std::floor(quanta);
    const bool up = goes_up(rounding, whole, quanta - whole, negative, random, random_bits);
    result = std::ldexp(up ? whole + 1.0 : whole, quantum);
  }
  if (f.subnormals == Subnormals::Flush && result < std::ldexp(1.0, 1 - f.bias)) result = 0.0;
  if (result > max_finite(f)) {
    const bool inward = rounding == Rounding::TowardZero || rounding == Rounding::ToOdd ||
                        (rounding == Rounding::Up && negative) || (rounding == Rounding::Down && !negative);
    const bool has_infinity = f.specials == Specials::Ieee;
    const bool has_nan = f.specials == Specials::Fn || f.specials == Specials::Fnuz;
    const bool keeps_finite = overflow == Overflow::Saturate || (inward && std::isfinite(x));
    result = keeps_finite   ? max_finite(f)
             : has_infinity ? std::numeric_limits<double>::infinity()
             : has_nan      ? std::numeric_limits<double>::quiet_NaN()
                            : max_finite(f);
  }
  const bool loses_sign = result == 0.0 && f.specials == Specials::Fnuz;
  return static_cast<float>(negative && !loses_sign ? -result : result);
}

// All non-negative finite values in ascending order, then the next one as if the exponent were unbounded.
inline std::vector<double> values(const FloatFormat& f) {
  std::vector<double> all;
  const double per_binade = std::ldexp(1.0, f.mantissa_bits);
  for (int exponent = 0;; ++exponent) {
    for (double m = 0.0; m < per_binade; m += 1.0) {
      const double significand = exponent == 0 ? m : m + per_binade;
      all.push_back(std::ldexp(significand, std::max(exponent, 1) - f.bias - f.mantissa_bits));
      if (all.back() > max_finite(f)) return all;
    }
  }
}

}  // namespace precipice::reference
