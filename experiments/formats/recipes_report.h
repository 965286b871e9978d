// SPDX-License-Identifier: Apache-2.0
// The recipes as text: a list, one recipe's table of slots, and docs/RECIPES.md.
#pragma once

#include <string>

namespace precipice {

struct ResolvedRun;  // train/recipes/resolved_run.h

std::string recipes_list();
// The resolved table of "name:option=value,...". Throws ConfigError.
std::string recipe_table(const std::string& text);
// What stands at which site in which steps, sites that are alike together.
std::string precision_plan(const ResolvedRun& run);
std::string recipes_reference();  // docs/RECIPES.md, up to its measured part

}  // namespace precipice
