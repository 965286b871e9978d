// SPDX-License-Identifier: Apache-2.0
// Which parameters' gradients gradient_error_probe.cpp looks at more closely.
#pragma once

#include <string>

namespace precipice {

// Shell patterns (fnmatch: * ? [...]), separated by spaces or commas.
bool matches_any(const std::string& patterns, const std::string& name);

}  // namespace precipice
