// SPDX-License-Identifier: Apache-2.0
// Sums of binary32 products in integers wide enough to hold them all, and their one rounding from the definitions in
// docs/NUMERICS.md: the oracle for emulated accumulators. Products reach from 2^-298 to 2^256.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "tests/support/reference_rounding.h"

namespace precipice::reference {

// significand * 2^exponent
struct Term {
  std::int64_t significand;
  int exponent;
};

inline Term term_of(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const int field = static_cast<int>((bits >> 23) & 0xFF);
  const std::int64_t magnitude = (bits & 0x7FFFFF) | (field > 0 ? 0x800000 : 0);
  return {(bits >> 31) != 0 ? -magnitude : magnitude, std::max(field, 1) - 150};
}

inline Term product_of(float a, float b) {
  const Term x = term_of(a), y = term_of(b);
  return {x.significand * y.significand, x.exponent + y.exponent};
}

// floor(log2 |term|); the term is not zero.
inline int log2_of(const Term& term) {
  const auto magnitude = static_cast<std::uint64_t>(term.significand < 0 ? -term.significand : term.significand);
  return static_cast<int>(std::bit_width(magnitude)) - 1 + term.exponent;
}

// Two's complement, in units of 2^-kPoint.
class ExactSum {
 public:
  static constexpr int kPoint = 320, kWords = 10;

  void add(const Term& term) {
    const int shift = term.exponent + kPoint, word = shift / 64;
    auto part = static_cast<unsigned __int128>(static_cast<__int128>(term.significand) << (shift % 64));
    const std::uint64_t fill = term.significand < 0 ? ~std::uint64_t{0} : 0;
    std::uint64_t carry = 0;
    for (int i = word; i < kWords; ++i) {
      const std::uint64_t low = i < word + 2 ? static_cast<std::uint64_t>(part) : fill;
      part >>= 64;
      const unsigned __int128 sum = static_cast<unsigned __int128>(words_[at(i)]) + low + carry;
      words_[at(i)] = static_cast<std::uint64_t>(sum);
      carry = static_cast<std::uint64_t>(sum >> 64);
    }
  }

  bool negative() const { return (words_[kWords - 1] >> 63) != 0; }
  ExactSum magnitude() const {
    if (!negative()) return *this;
    ExactSum result;
    std::uint64_t carry = 1;
    for (int i = 0; i < kWords; ++i) {
      result.words_[at(i)] = ~words_[at(i)] + carry;
      carry = carry != 0 && result.words_[at(i)] == 0 ? 1 : 0;
    }
    return result;
  }

  // Of a magnitude.
  int log2() const {
    for (int i = kWords - 1; i >= 0; --i)
      if (words_[at(i)] != 0) return i * 64 + static_cast<int>(std::bit_width(words_[at(i)])) - 1 - kPoint;
    return -kPoint - 1;  // zero
  }
  bool is_zero() const { return magnitude().log2() < -kPoint; }
  // Whole multiples of 2^exponent, below 2^64 of them.
  std::uint64_t whole(int exponent) const {
    std::uint64_t result = 0;
    for (int i = 63; i >= 0; --i) result = 2 * result + bit(exponent + i);
    return result;
  }
  // What is left, as a fraction of 2^exponent: 50 bits, and one that says whether anything is below them. No mode asks
  // for more.
  double fraction(int exponent) const {
    double result = 0.0;
    for (int i = 1; i <= 50; ++i) result = result + std::ldexp(static_cast<double>(bit(exponent - i)), -i);
    for (int i = -kPoint; i < exponent - 50; ++i)
      if (bit(i) != 0) return result + 0x1p-51;
    return result;
  }

 private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }
  std::uint64_t bit(int exponent) const {
    const int position = exponent + kPoint;
    if (position < 0 || position >= 64 * kWords) return 0;
    return (words_[at(position / 64)] >> (position % 64)) & 1;
  }

  std::array<std::uint64_t, kWords> words_{};
};

// On the format's grid without an upper end, with its sign.
inline double round_to_grid(const FloatFormat& f, Rounding rounding, const ExactSum& x, std::uint32_t random = 0,
                            int random_bits = 32) {
  if (x.is_zero()) return 0.0;
  const ExactSum magnitude = x.magnitude();
  const int emin = (f.subnormals == Subnormals::None ? 0 : 1) - f.bias;
  const int binade = f.exponent_bits == 0 ? emin : std::max(magnitude.log2(), emin);
  const int quantum = binade - f.mantissa_bits;
  // Fixed point alone has so many quanta, all of them far beyond its end.
  if (magnitude.log2() - quantum > 60) return std::ldexp(x.negative() ? -1.0 : 1.0, magnitude.log2());
  const std::uint64_t whole = magnitude.whole(quantum);
  const std::uint64_t last = f.mantissa_bits > 0 ? whole : whole == 0 ? 0 : static_cast<std::uint64_t>(binade + f.bias);
  const bool up = goes_up(rounding, last % 2 != 0, magnitude.fraction(quantum), x.negative(), random, random_bits);
  const double result = std::ldexp(static_cast<double>(whole + (up ? 1 : 0)), quantum);
  return x.negative() ? -result : result;
}

inline float round(const FloatFormat& f, Rounding rounding, Overflow overflow, const ExactSum& x,
                   std::uint32_t random = 0, int random_bits = 32) {
  // Inputs that count as zero are looked at before rounding.
  const bool flushed = f.subnormals == Subnormals::FlushInputs &&
                       x.magnitude().log2() < (f.exponent_bits == 0 ? 1 - f.bias - f.mantissa_bits : 1 - f.bias);
  const double grid = flushed ? (x.negative() ? -0.0 : 0.0) : round_to_grid(f, rounding, x, random, random_bits);
  // The number is on the grid: only its ends and zeros are left to look at.
  return round(f, rounding, overflow, grid, random, random_bits);
}

}  // namespace precipice::reference
