// SPDX-License-Identifier: Apache-2.0
// What emulated accumulators cost on this machine, for plans.
#pragma once

#include <string>
#include <vector>

#include "train/recipes/resolved_run.h"

namespace precipice {

// A line for each emulated accumulator of the run: how many times as long as the library's fp32 one product of
// 256 x 256 x 512 takes, by the clock.
std::vector<std::string> accumulator_costs(const ResolvedRun& run);

}  // namespace precipice
