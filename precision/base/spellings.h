// SPDX-License-Identifier: Apache-2.0
// Enumerations and the words that users write for them: one table per enumeration, read in both directions.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "precision/base/check.h"

namespace precipice {

// ASCII letters only: other bytes of a text stay.
inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

template <class Value, std::size_t N>
using Spellings = std::array<std::pair<const char*, Value>, N>;

// Words count in either case. Throws ConfigError: WHAT must be one of ..., with the nearest word suggested.
template <class Value, std::size_t N>
Value parse_spelling(const std::string& what, std::string_view text, const Spellings<Value, N>& spellings) {
  std::array<std::string, N> words;
  std::string allowed;
  const std::string lower = lower_case(text);
  for (std::size_t i = 0; i < N; ++i) {
    if (lower == spellings[i].first) return spellings[i].second;
    words[i] = spellings[i].first;
    allowed += (i == 0 ? "" : ", ") + words[i];
  }
  const std::string given(text.substr(0, 60));
  const std::string nearest = nearest_word(given, words);
  throw ConfigError(join_parts(what, " must be one of ", allowed, "; \"", given, "\" is not",
                               nearest.empty() ? "" : " (did you mean " + nearest + "?)"));
}

template <class Value, std::size_t N>
std::string spelling_of(Value value, const Spellings<Value, N>& spellings) {
  for (const auto& [word, meaning] : spellings) {
    if (meaning == value) return word;
  }
  PRECIPICE_CHECK(false, "enumerator ", static_cast<int>(value), " has no spelling");
}

}  // namespace precipice
