// SPDX-License-Identifier: Apache-2.0
// Models as a config describes them, with their initial weights.
#pragma once

#include <vector>

#include "train/model/model.h"
#include "train/recipes/resolved_run.h"

namespace precipice {

// Random or from init.from, with what init.plant says. Throws DataError, or ConfigError for what cannot be planted.
std::unique_ptr<Model> make_model(const ResolvedRun& run, std::int64_t vocabulary);

}  // namespace precipice
