// SPDX-License-Identifier: Apache-2.0
// Rounding modes and what happens beyond the largest finite value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace precipice {

enum class Rounding : std::uint8_t {
  NearestEven,  // rne
  NearestAway,  // rna
  TowardZero,   // rtz: the bit mask of arXiv 2405.18710
  Up,           // rup: toward +infinity
  Down,         // rdn: toward -infinity
  ToOdd,        // rto: inexact results take the odd neighbour
  Stochastic,   // sr:  up with probability (discarded part) / ulp, from N random bits
};

// Overflow is decided after rounding with unbounded exponent.
enum class Overflow : std::uint8_t {
  Saturate,  // the largest finite value, for infinities too
  Native,    // the format's own: infinity, else NaN; saturates where it has neither. Modes that round inward
             // (rtz, rup for negatives, rdn for positives, rto) give the largest finite value, as IEEE 754 does
};

// Spellings: rne rna rtz rup rdn rto sr; saturate native. Throws ConfigError with the nearest word.
Rounding parse_rounding(std::string_view text);
Overflow parse_overflow(std::string_view text);
std::string to_string(Rounding rounding);
std::string to_string(Overflow overflow);

}  // namespace precipice
