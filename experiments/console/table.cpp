// SPDX-License-Identifier: Apache-2.0
#include "experiments/console/table.h"

#include <algorithm>

#include "experiments/console/printable.h"

namespace precipice {

std::string format_table(const std::vector<std::vector<std::string>>& words) {
  std::vector<std::vector<std::string>> rows = words;  // as they are shown
  for (auto& row : rows)
    for (std::string& word : row) word = printable_line(word);
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], count_characters(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - count_characters(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace precipice
