// SPDX-License-Identifier: Apache-2.0
// Spellings of the rounding modes and overflow policies.
#include "precision/rounding/rounding.h"

#include "precision/base/spellings.h"

namespace precipice {
namespace {

constexpr Spellings<Overflow, 3> kOverflows{
    {{"saturate", Overflow::Saturate}, {"native", Overflow::Native}, {"propagate", Overflow::Propagate}}};

template <class Wanted>
std::string words_where(Wanted wanted) {
  std::string words;
  for (const auto& [word, rounding] : kRoundings)
    if (wanted(rounding)) words += (words.empty() ? "" : " ") + std::string(word);
  return words;
}

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

std::string rounding_words() {
  return words_where([](Rounding) { return true; });
}
std::string rounding_words(bool stochastic) {
  return words_where([=](Rounding rounding) { return is_stochastic(rounding) == stochastic; });
}

}  // namespace precipice
