// SPDX-License-Identifier: Apache-2.0
// Names and values that go with exported weights.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace precipice {

using AttributeValue = std::variant<std::string, std::int64_t, double>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

// As text, for files that hold nothing else: doubles in the shortest form that reads back as the same number.
std::string to_text(const AttributeValue& value);

}  // namespace precipice
