// SPDX-License-Identifier: Apache-2.0
// A run of the benchmark beside an earlier one's ratios: what `precipice bench --json` wrote, whole or as
// `scripts/bench_table.py --baseline` shortens it for experiments/bench/baselines/. A row has become slower where its
// median is above the largest ratio of the earlier run and even its smallest is above the earlier median: both spreads
// speak against chance. A row of fewer than three repetitions has no spread and is not judged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "experiments/bench/bench.h"

namespace precipice {

struct Baseline {
  struct Row {
    std::string work, reference;
    double smallest = 0, median = 0, largest = 0;
    std::int64_t repetitions = 0;
  };
  std::string cpu_model, isa;
  int threads = 1;
  bool quick = false;
  std::vector<Row> rows;
};

// Throws DataError naming the file and what is missing.
Baseline read_baseline(const std::filesystem::path& path);

struct Comparison {
  std::vector<std::string> slower;  // a sentence for each row that became slower
  std::vector<std::string> notes;   // what makes the comparison weaker: another CPU, other options, rows without one
  int compared = 0;                 // rows that were judged
};
Comparison compare_with(const Baseline& baseline, const BenchReport& report);

}  // namespace precipice
