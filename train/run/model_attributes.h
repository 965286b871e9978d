// SPDX-License-Identifier: Apache-2.0
// What another program needs to know to rebuild a model from its exported arrays (docs/EXPORT.md).
#pragma once

#include <cstdint>

#include "train/config/run_config.h"
#include "train/model/attributes.h"

namespace precipice {

// The architecture, where weights of `step` come from (the run's id and its recipe), and the version of this program.
Attributes weights_attributes(const RunConfig& config, std::int64_t step);

}  // namespace precipice
