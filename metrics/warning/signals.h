// SPDX-License-Identifier: Apache-2.0
// Which stored series may warn, and how each becomes one number per step with larger values meaning danger: a table of
// patterns, so that a series added later is found by its name. What no run has is reported as absent.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "metrics/log/series_columns.h"
#include "metrics/warning/early_warning.h"

namespace precipice {

enum class Reduction {
  None,      // one value per step; with sites: the largest
  Least,     // danger lies below: the negative, with sites of the least
  Absolute,  // danger lies on both sides of 0
  Variance   // of the last kVarianceWindow values, with n - 1
};
inline constexpr std::size_t kVarianceWindow = 50;

struct SignalRule {
  const char* name;  // how it is shown; "*" takes the series' name in words
  const char* group;
  const char* pattern;  // of the series: "*" stands for any text
  Reduction reduction = Reduction::None;
  bool is_baseline = false;  // what anyone can log: the others must beat the best of these
};

struct Signal {
  std::string name, group, series;
  Reduction reduction = Reduction::None;
  bool is_baseline = false;
};

struct SignalChoice {
  std::vector<Signal> signals;      // present in at least one run, in the order of the table
  std::vector<std::string> absent;  // names of the table that no run has
};
// `available`: per group, names of series.
SignalChoice choose_signals(const std::map<std::string, std::set<std::string>>& available);

// Empty where the run has no such series.
SignalSeries signal_of(const SeriesColumns& columns, const Signal& signal);

// A shell pattern (fnmatch: * ? [...]).
bool matches(const std::string& pattern, const std::string& text);

}  // namespace precipice
