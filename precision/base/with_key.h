// SPDX-License-Identifier: Apache-2.0
// Errors of a value's parts told as errors of its key.
#pragma once

#include <string>

#include "precision/base/check.h"

namespace precipice {

// What work() returns; what it refuses is told as KEY = VALUE: PROBLEM. Where a part of the value was refused that has
// a key of its own, that key and its value are told too.
template <class Work>
auto with_key(const std::string& key, const std::string& value, const Work& work) {
  try {
    return work();
  } catch (const ConfigError& error) {
    const bool is_part = !error.where().key.empty() && error.where().value != value;
    throw ConfigError({"", 0, key, value}, is_part ? error.what() : error.problem());
  }
}

}  // namespace precipice
