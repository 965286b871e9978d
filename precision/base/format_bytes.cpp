// SPDX-License-Identifier: Apache-2.0
#include "precision/base/format_bytes.h"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>

namespace precipice {

std::string format_bytes(double bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < std::size(units)) bytes /= 1000, ++unit;
  return fmt::format("{:.{}f} {}", bytes, unit > 0 && bytes < 9.95 ? 1 : 0, units[unit]);
}

}  // namespace precipice
