// SPDX-License-Identifier: Apache-2.0
#include "train/model/attributes.h"

#include <fmt/format.h>

namespace precipice {

std::string to_text(const AttributeValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  return fmt::format("{}", std::get<double>(value));
}

}  // namespace precipice
