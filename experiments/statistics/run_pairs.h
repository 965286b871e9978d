// SPDX-License-Identifier: Apache-2.0
// Runs of two formats on the same seeds: they share initial weights and batches, so they are compared pair by pair.
#pragma once

#include <string>
#include <vector>

#include "experiments/statistics/sweep_data.h"

namespace precipice {

struct RunPair {
  const AnalysedRun* first = nullptr;
  const AnalysedRun* second = nullptr;
};

// One pair for each seed that both groups have, the lowest seeds first.
std::vector<RunPair> pairs_by_seed(const std::vector<const AnalysedRun*>& first,
                                   const std::vector<const AnalysedRun*>& second);

// Whether groups of these sizes are compared by their pairs: where two seeds match, or all that could.
bool are_paired(std::size_t pairs, std::size_t first, std::size_t second);

// Seeds are whole numbers, or several joined by "/": in their order as numbers.
bool seeds_before(const std::string& a, const std::string& b);

}  // namespace precipice
