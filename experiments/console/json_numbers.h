// SPDX-License-Identifier: Apache-2.0
// JSON of standard input, in which a number that is not zero is never read as zero (precision/base/number_text.h).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace precipice {

// Throws nlohmann::json::exception as its parser does, and DataError naming a number that would be lost.
nlohmann::ordered_json parse_json_input(const std::string& text);

// JSON has no NaN and no infinity; null stands for them.
nlohmann::ordered_json finite_or_null(double value);
// The same where it matters which one: null for NaN, and "inf" or "-inf".
nlohmann::ordered_json finite_or_word(double value);

}  // namespace precipice
