// SPDX-License-Identifier: Apache-2.0
// Patterns that choose parameters by their names, as several keys have them.
#pragma once

#include <string>

namespace precipice {

// Whether one of the patterns, separated by spaces or commas, is the name's: shell patterns (fnmatch: * ? [...]).
bool matches_any(const std::string& patterns, const std::string& name);

}  // namespace precipice
