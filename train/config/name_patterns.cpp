// SPDX-License-Identifier: Apache-2.0
#include "train/config/name_patterns.h"

#include <fnmatch.h>

#include <algorithm>

namespace precipice {

bool matches_any(const std::string& patterns, const std::string& name) {
  constexpr const char* kSeparators = " ,";
  for (std::size_t begin = patterns.find_first_not_of(kSeparators); begin != std::string::npos;) {
    const std::size_t end = std::min(patterns.find_first_of(kSeparators, begin), patterns.size());
    if (::fnmatch(patterns.substr(begin, end - begin).c_str(), name.c_str(), 0) == 0) return true;
    begin = patterns.find_first_not_of(kSeparators, end);
  }
  return false;
}

}  // namespace precipice
