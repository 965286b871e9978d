// SPDX-License-Identifier: Apache-2.0
// Groups of a run's log by their names.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/log/series.h"
#include "tests/support/tiny_run.h"
#include "train/estimates/log_size.h"

namespace precipice::test {

// Index in SeriesRow, which is the same in every run.
inline std::uint16_t group_of(const std::string& name) {
  static const std::map<std::string, std::uint16_t> indices = [] {
    std::map<std::string, std::uint16_t> found;
    for (const LoggedGroup& group : logged_groups(tiny_config()))
      found[group.name] = static_cast<std::uint16_t>(found.size());
    return found;
  }();
  const auto found = indices.find(name);
  if (found == indices.end()) throw std::runtime_error("no group " + name);
  return found->second;
}

// Of the first row of the group.
inline const std::vector<double>& values_of(const std::vector<SeriesRow>& rows, std::string_view name) {
  const std::uint16_t group = group_of(std::string(name));
  for (const SeriesRow& row : rows)
    if (row.group == group) return row.values;
  throw std::runtime_error("no row of group " + std::string(name));
}

}  // namespace precipice::test
