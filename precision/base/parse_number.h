// SPDX-License-Identifier: Apache-2.0
// Numbers in text.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace precipice {

// The number that all of `text` is: decimal, without blanks, plus sign or thousands separators; nothing where it is
// something else or beyond a Number's range, so also for a double that would read as zero without being it. The caller
// says in its error what is allowed.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return number;
}

}  // namespace precipice
