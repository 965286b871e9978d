// SPDX-License-Identifier: Apache-2.0
// What another program needs to know to rebuild a model from its exported arrays (docs/EXPORT.md).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "train/run_config.h"

namespace precipice {

using AttributeValue = std::variant<std::string, std::int64_t, double>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

// The architecture, where weights of `step` come from (the run's id and its recipe), and the version of this program.
Attributes weights_attributes(const RunConfig& config, std::int64_t step);

// As text, for files that hold nothing else: doubles in the shortest form that reads back as the same number.
std::string to_text(const AttributeValue& value);

}  // namespace precipice
