// SPDX-License-Identifier: Apache-2.0
// Rounding modes and what happens beyond the largest finite value. docs/NUMERICS.md has the reasons.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace precipice {

enum class Rounding : std::uint8_t {
  NearestEven,  // rne: ties to the even code
  NearestAway,  // rna
  TowardZero,   // rtz: the bit mask of arXiv 2405.18710
  Up,           // rup: toward +infinity
  Down,         // rdn: toward -infinity
  ToOdd,        // rto: inexact results take the neighbour with the odd code
  // Up with probability (discarded part) / ulp, from N random bits R; with d = (discarded part) / ulp, away from zero
  // when
  Stochastic,   // sr:   floor(2^N d) + R >= 2^N         P3109 StochasticA
  StochasticB,  // sr-b: 2^N d + R + 1/2 >= 2^N          P3109 StochasticB
  StochasticC,  // sr-c: round_to_even(2^N d) + R >= 2^N P3109 StochasticC
};
constexpr bool is_stochastic(Rounding rounding) {
  return rounding >= Rounding::Stochastic;
}

// Overflow is decided after rounding with unbounded exponent. Modes that round inward (rtz, rup for negatives, rdn for
// positives, rto) give the largest finite value for finite inputs whatever the policy, as IEEE 754 does.
enum class Overflow : std::uint8_t {
  Saturate,   // the largest finite value, for infinities too
  Native,     // the format's own: infinity, else NaN; saturates where it has neither
  Propagate,  // finite values saturate, infinities stay (else NaN, else saturate)
};

// Spellings: rne rna rtz rup rdn rto sr sr-b sr-c; saturate native propagate. Throws ConfigError with the nearest word.
Rounding parse_rounding(std::string_view text);
Overflow parse_overflow(std::string_view text);
std::string to_string(Rounding rounding);
std::string to_string(Overflow overflow);

}  // namespace precipice
