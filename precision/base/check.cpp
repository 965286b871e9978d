// SPDX-License-Identifier: Apache-2.0
#include "precision/base/check.h"

#include <algorithm>
#include <vector>

namespace precipice {
namespace {

// Control characters of a hostile config must not reach a terminal, and an error is one line.
std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) out += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? '?' : c;
  return out;
}

constexpr std::size_t kMostShown = 120;     // bytes of a key or a value
constexpr std::size_t kMostProblem = 2000;  // bytes of a problem, which may list what is allowed

// The beginning of what is too long to be read.
std::string shortened(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not inside a UTF-8 character
  return text.substr(0, end) + "...";
}

std::string describe(const ConfigError::Where& where, const std::string& problem) {
  std::string text;
  if (!where.file.empty()) text += where.file + (where.line > 0 ? ":" + std::to_string(where.line) : "") + ": ";
  if (!where.key.empty()) text += shortened(where.key, kMostShown);
  if (!where.value.empty()) text += " = " + shortened(where.value, kMostShown);
  if (!where.key.empty() || !where.value.empty()) text += ": ";
  return printable(text + shortened(problem, kMostProblem));
}

}  // namespace

ConfigError::ConfigError(Where where, const std::string& problem)
    : Error(describe(where, problem)), where_(std::move(where)), problem_(problem) {}

void throw_contract_error(const char* file, int line, const char* condition, const std::string& message) {
  throw ContractError(join_parts(file, ":", line, ": check failed: ", condition, message.empty() ? "" : ": ", message));
}

int edit_distance(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace precipice
