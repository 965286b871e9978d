// SPDX-License-Identifier: Apache-2.0
// What cast.cpp hands over when a recipe is named.
#pragma once

#include <cstdint>
#include <string>

#include "experiments/cli/commands.h"

namespace precipice {

struct CastRecipeOptions {
  std::string recipe, operand = "x", gemm = "fprop", shape, input = "f32", scales;
  std::int64_t steps = 1;
  std::uint64_t seed = 0;
  bool grid = false, force = false;
};

int cast_recipe(const CastRecipeOptions& options);

}  // namespace precipice
