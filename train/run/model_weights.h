// SPDX-License-Identifier: Apache-2.0
// Models as a config describes them, with their initial weights.
#pragma once

#include <vector>

#include "train/model/model.h"

namespace precipice {

// Random or from init.from.
std::unique_ptr<Model> make_model(const RunConfig& config, std::int64_t vocabulary);

}  // namespace precipice
