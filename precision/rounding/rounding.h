// SPDX-License-Identifier: Apache-2.0
// Rounding modes and what happens beyond the largest finite value. docs/NUMERICS.md has the reasons.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "precision/base/host_device.h"

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
// Stochastic modes stand last.
constexpr bool is_stochastic(Rounding rounding) {
  return rounding >= Rounding::Stochastic;
}

// Every mode in the order of the enumeration, with the word that users write: Spellings (precision/base/spellings.h).
inline constexpr std::array<std::pair<const char*, Rounding>, 9> kRoundings{{{"rne", Rounding::NearestEven},
                                                                             {"rna", Rounding::NearestAway},
                                                                             {"rtz", Rounding::TowardZero},
                                                                             {"rup", Rounding::Up},
                                                                             {"rdn", Rounding::Down},
                                                                             {"rto", Rounding::ToOdd},
                                                                             {"sr", Rounding::Stochastic},
                                                                             {"sr-b", Rounding::StochasticB},
                                                                             {"sr-c", Rounding::StochasticC}}};

// f.operator()<R>() with R = rounding: the one switch from a mode that is known at run time to a template argument.
template <class F>
PRECIPICE_HD constexpr auto dispatch_rounding(Rounding rounding, F&& f) {
  switch (rounding) {
    case Rounding::NearestEven:
      return f.template operator()<Rounding::NearestEven>();
    case Rounding::NearestAway:
      return f.template operator()<Rounding::NearestAway>();
    case Rounding::TowardZero:
      return f.template operator()<Rounding::TowardZero>();
    case Rounding::Up:
      return f.template operator()<Rounding::Up>();
    case Rounding::Down:
      return f.template operator()<Rounding::Down>();
    case Rounding::ToOdd:
      return f.template operator()<Rounding::ToOdd>();
    case Rounding::Stochastic:
      return f.template operator()<Rounding::Stochastic>();
    case Rounding::StochasticB:
      return f.template operator()<Rounding::StochasticB>();
    case Rounding::StochasticC:
      return f.template operator()<Rounding::StochasticC>();
  }
  __builtin_unreachable();
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

// The modes' words with a blank between them, for help texts: all, or only the stochastic ones or the others.
std::string rounding_words();
std::string rounding_words(bool stochastic);

}  // namespace precipice
