// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/run_pairs.h"

#include <algorithm>
#include <map>

namespace precipice {

bool seeds_before(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::vector<RunPair> pairs_by_seed(const std::vector<const AnalysedRun*>& first,
                                   const std::vector<const AnalysedRun*>& second) {
  std::map<std::string, RunPair, bool (*)(const std::string&, const std::string&)> by_seed(seeds_before);
  for (const AnalysedRun* run : first) by_seed[run->seeds].first = run;
  for (const AnalysedRun* run : second) by_seed[run->seeds].second = run;
  std::vector<RunPair> pairs;
  for (const auto& [seed, pair] : by_seed)
    if (pair.first != nullptr && pair.second != nullptr) pairs.push_back(pair);
  return pairs;
}

bool are_paired(std::size_t pairs, std::size_t first, std::size_t second) {
  return pairs >= 2 || (pairs > 0 && pairs == std::min(first, second));
}

}  // namespace precipice
