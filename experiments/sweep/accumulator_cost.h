// SPDX-License-Identifier: Apache-2.0
// What emulated accumulators cost on this machine, for plans.
#pragma once

#include <string>
#include <vector>

#include "train/config/run_config.h"

namespace precipice {

// A line for each emulated accumulator of the config: how many times as long as the library's fp32 one product of
// 256 x 256 x 512 takes, by the clock.
std::vector<std::string> accumulator_costs(const RunConfig& config);

}  // namespace precipice
