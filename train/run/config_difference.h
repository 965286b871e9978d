// SPDX-License-Identifier: Apache-2.0
// Which keys make two configs different: the one comparison of configs, by what they mean. Comments, the order of keys
// and defaults that are written out make no difference.
#pragma once

#include <string>
#include <vector>

#include "train/config/run_config.h"

namespace precipice {

struct ConfigDifference {
  std::string key;
  std::string there, here;  // as TOML
};

// In the order of the declaration; none for configs that mean the same. Keys that only follow another one (data.seed
// follows seed, storage follows the recipe) are left out where they follow it on both sides. Both configs are resolved.
std::vector<ConfigDifference> config_differences(const RunConfig& there, const RunConfig& here);

// "train.steps is 30 there and 60 here, seed is 0 there and 1 here"; the first eight, then how many more.
std::string describe(const std::vector<ConfigDifference>& differences);

}  // namespace precipice
