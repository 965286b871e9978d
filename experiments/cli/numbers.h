// SPDX-License-Identifier: Apache-2.0
// Checks of the command line's numbers.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "precision/base/parse_number.h"

namespace precipice {

// A number as a whole word, from `least` to `most`. What would read as zero without being it is out of range.
inline CLI::Validator real_number(double least, double most) {
  const std::string range = fmt::format("{} to {}", least, most);
  const auto check = [least, most, range](std::string& text) {
    const std::string_view digits = std::string_view(text).substr(text.starts_with('+') ? 1 : 0);
    const auto value = parse_number<double>(digits);
    if (value && *value >= least && *value <= most) return std::string();
    return fmt::format("must be a number from {}, not {}", range, text.substr(0, 60));
  };
  return CLI::Validator(check, range);
}

}  // namespace precipice
