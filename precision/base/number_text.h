// SPDX-License-Identifier: Apache-2.0
// Numbers as people write them. A library's parser reads 1e-400 as zero; what is not zero and reads as zero is refused
// wherever a number is read.
#pragma once

#include <string_view>

namespace precipice {

// Whether the number that `text` begins with, decimal or hexadecimal, is not zero as it is written.
inline bool is_written_nonzero(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if ((c >= '1' && c <= '9') || (hexadecimal && letter)) return true;
    if (c != '0' && c != '.' && c != '_') return false;  // the exponent, or the end
  }
  return false;
}

// For a `value` that was read from `text`.
inline bool is_lost_to_zero(std::string_view text, double value) {
  return value == 0 && is_written_nonzero(text);
}

inline constexpr const char* kLostToZero = "is not zero, but too small for a binary64 number, and would read as zero";

}  // namespace precipice
