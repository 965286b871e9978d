// SPDX-License-Identifier: Apache-2.0
// Rounding from the definitions in docs/NUMERICS.md, as the oracle for precision/rounding/round_to_format.h: in double
// arithmetic that is exact because numbers are scaled by powers of two and cut with floor. It shares nothing with the
// code under test but the fields of FloatFormat. IEEE 754-2019 section 4.3; stochastic: IEEE P3109 interim report 4.0.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "precision/format/float_format.h"
#include "precision/rounding/rounding.h"

namespace precipice::reference {

// Magnitude codes that are numbers are 0 .. count - 1.
inline double count_of_numbers(const FloatFormat& f) {
  const double codes = std::pow(2.0, f.exponent_bits + f.mantissa_bits);
  const bool no_minus_zero = f.sign == Sign::Unsigned;
  switch (f.specials) {
    case Specials::Ieee:
      return codes - std::pow(2.0, f.mantissa_bits);
    case Specials::Fn:
      return codes - 1.0;
    case Specials::Fnuz:
      return codes - (no_minus_zero ? 1.0 : 0.0);
    case Specials::Finite:
      return codes;
    case Specials::P3109:
      return codes - (no_minus_zero ? 2.0 : 1.0);
  }
  return codes;
}

// The value of a magnitude code, as if subnormals were kept and exponents had no end.
inline double value_of_code(const FloatFormat& f, double code) {
  const double per_binade = std::ldexp(1.0, f.mantissa_bits);
  const double field = std::floor(code / per_binade), mantissa = code - field * per_binade;
  if (code == 0.0 && f.zero) return 0.0;
  if (f.exponent_bits == 0) return std::ldexp(code, 1 - f.bias - f.mantissa_bits);
  if (field == 0.0 && f.subnormals != Subnormals::None) return std::ldexp(mantissa, 1 - f.bias - f.mantissa_bits);
  return std::ldexp(mantissa + per_binade, static_cast<int>(field) - f.bias - f.mantissa_bits);
}

inline double max_finite(const FloatFormat& f) {
  return value_of_code(f, count_of_numbers(f) - 1.0);
}

inline double min_normal(const FloatFormat& f) {
  if (f.exponent_bits == 0) return std::ldexp(1.0, 1 - f.bias - f.mantissa_bits);
  if (f.subnormals == Subnormals::None) return value_of_code(f, f.zero ? 1.0 : 0.0);
  return std::ldexp(1.0, 1 - f.bias);
}

// The magnitude codes that are numbers, in ascending order, and one more as if the exponent were unbounded.
inline std::vector<double> values(const FloatFormat& f) {
  std::vector<double> all;
  const double count = count_of_numbers(f);
  for (double code = 0.0; code <= count; code += 1.0) all.push_back(value_of_code(f, code));
  return all;
}

// Whether a magnitude of (whole + fraction) quanta becomes whole + 1; `odd`: the code of `whole` is.
inline bool goes_up(Rounding rounding, bool odd, double fraction, bool negative, std::uint32_t random, int bits) {
  if (fraction == 0.0) return false;
  const double words = std::ldexp(1.0, bits);
  const double drawn = std::floor(std::ldexp(static_cast<double>(random), bits - 32));
  const double scaled = fraction * words;  // exact: a power of two
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
    case Rounding::Stochastic:
      return std::floor(scaled) >= words - drawn;
    case Rounding::StochasticB:
      return scaled >= words - drawn - 0.5;
    case Rounding::StochasticC: {
      const double whole = std::floor(scaled), rest = scaled - whole;
      const bool up = rest > 0.5 || (rest == 0.5 && std::fmod(whole, 2.0) == 1.0);
      return whole + (up ? 1.0 : 0.0) >= words - drawn;
    }
  }
  return false;
}

// A finite magnitude on the format's grid without an upper end. Flushed subnormals and what lies below the smallest
// value are still on it.
inline double round_to_grid(const FloatFormat& f, Rounding rounding, double magnitude, bool negative,
                            std::uint32_t random, int random_bits) {
  if (magnitude == 0.0) return 0.0;
  const int emin = (f.subnormals == Subnormals::None ? 0 : 1) - f.bias;
  const int binade = f.exponent_bits == 0 ? emin : std::max(std::ilogb(magnitude), emin);
  const int quantum = binade - f.mantissa_bits;
  const double quanta = std::ldexp(magnitude, -quantum);
  const double whole = std::floor(quanta);
  // The last bit of the code; without mantissa bits that is the exponent's.
  const double last = f.mantissa_bits > 0 ? whole : whole == 0.0 ? 0.0 : static_cast<double>(binade + f.bias);
  const bool odd = std::fmod(last, 2.0) != 0.0;
  return std::ldexp(goes_up(rounding, odd, quanta - whole, negative, random, random_bits) ? whole + 1.0 : whole,
                    quantum);
}

// What policy and mode make of a magnitude beyond the largest one (`end`) of its sign.
inline double beyond(const FloatFormat& f, Rounding rounding, Overflow overflow, double end, bool finite_input,
                     bool negative) {
  const bool inward = rounding == Rounding::TowardZero || rounding == Rounding::ToOdd ||
                      (rounding == Rounding::Up && negative) || (rounding == Rounding::Down && !negative);
  const bool has_end = end >= 0.0;
  const bool has_nan = f.specials != Specials::Finite && (f.specials != Specials::Ieee || f.mantissa_bits > 0);
  const bool has_infinity =
      (f.specials == Specials::Ieee || f.specials == Specials::P3109) && !(negative && f.sign == Sign::Unsigned);
  if (has_end) {
    if (overflow == Overflow::Saturate) return end;
    if (finite_input && (inward || overflow == Overflow::Propagate)) return end;
    if (has_infinity) return std::numeric_limits<double>::infinity();
  }
  if (has_nan) return std::numeric_limits<double>::quiet_NaN();
  return has_end ? end : min_normal(f);
}

// x: float or double, rounded once.
template <class Input>
float round(const FloatFormat& f, Rounding rounding, Overflow overflow, Input x, std::uint32_t random = 0,
            int random_bits = 32) {
  if (std::isnan(x)) return static_cast<float>(x);
  const bool negative = std::signbit(x);
  double magnitude = std::fabs(static_cast<double>(x));
  if (f.subnormals == Subnormals::FlushInputs && magnitude < min_normal(f)) magnitude = 0.0;

  double result = magnitude;
  if (std::isfinite(x)) result = round_to_grid(f, rounding, magnitude, negative, random, random_bits);
  if (f.subnormals != Subnormals::Keep && result < min_normal(f)) result = f.zero ? 0.0 : min_normal(f);

  double end = max_finite(f);
  if (negative && f.sign == Sign::Twos) end = std::ldexp(1.0, 1 - f.bias);
  if (negative && f.sign == Sign::Unsigned) end = 0.0;
  if (negative && !f.zero) end = magnitude == 0.0 ? max_finite(f) : -1.0;  // no value is near a negative number
  if (result > end) result = beyond(f, rounding, overflow, end, std::isfinite(x), negative);

  const bool keeps_sign =
      f.sign != Sign::Unsigned &&
      (result != 0.0 || (f.sign == Sign::Signed && f.specials != Specials::Fnuz && f.specials != Specials::P3109));
  return static_cast<float>(negative && keeps_sign ? -result : result);
}

}  // namespace precipice::reference
