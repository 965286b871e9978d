// SPDX-License-Identifier: Apache-2.0
// Spellings of the rounding modes and overflow policies.
#include "precision/rounding/rounding.h"

#include "precision/base/spellings.h"

namespace precipice {
namespace {

constexpr Spellings<Rounding, 9> kRoundings{{{"rne", Rounding::NearestEven},
                                             {"rna", Rounding::NearestAway},
                                             {"rtz", Rounding::TowardZero},
                                             {"rup", Rounding::Up},
                                             {"rdn", Rounding::Down},
                                             {"rto", Rounding::ToOdd},
                                             {"sr", Rounding::Stochastic},
                                             {"sr-b", Rounding::StochasticB},
                                             {"sr-c", Rounding::StochasticC}}};

constexpr Spellings<Overflow, 3> kOverflows{
    {{"saturate", Overflow::Saturate}, {"native", Overflow::Native}, {"propagate", Overflow::Propagate}}};

}  // namespace

Rounding parse_rounding(std::string_view text) {
  return parse_spelling("rounding", text, kRoundings);
}
Overflow parse_overflow(std::string_view text) {
  return parse_spelling("overflow", text, kOverflows);
}
std::string to_string(Rounding rounding) {
  return spelling_of(rounding, kRoundings);
}
std::string to_string(Overflow overflow) {
  return spelling_of(overflow, kOverflows);
}

}  // namespace precipice
