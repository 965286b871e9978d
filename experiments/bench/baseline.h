// SPDX-License-Identifier: Apache-2.0
// A run of the benchmark beside an earlier one's ratios, a file of `precipice bench --json`. A row has become slower where
// its median is above the largest ratio of the earlier run and even its smallest is above the earlier median: both spreads
// speak against chance.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/bench/bench.h"

namespace precipice {

struct Baseline {
  struct Row {
    std::string work, reference;
    double median = 0, largest = 0;
  };
  std::string cpu_model, isa;
  std::vector<Row> rows;
};

// Throws DataError naming the file and what is missing.
Baseline read_baseline(const std::filesystem::path& path);

struct Comparison {
  std::vector<std::string> slower;  // a sentence for each row that became slower
  std::vector<std::string> notes;   // what makes the comparison weaker: another CPU, rows that the baseline lacks
  int compared = 0;                 // rows that both have
};
Comparison compare_with(const Baseline& baseline, const BenchReport& report);

}  // namespace precipice
