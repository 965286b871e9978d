// SPDX-License-Identifier: Apache-2.0
#include "experiments/table.h"

#include <algorithm>

namespace precipice {
namespace {

std::string printable(std::string word) {
  for (char& c : word)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return word;
}

// Characters, not bytes: continuation bytes of UTF-8 take no column.
std::size_t width_of(const std::string& word) {
  return static_cast<std::size_t>(
      std::count_if(word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += printable(row[i]) + std::string(widths[i] - width_of(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace precipice
