// SPDX-License-Identifier: Apache-2.0
// Names of Catch2 v2 over v3, which moved the matchers of text into Catch::Matchers and made Contains one of ranges.
// Only catch.h includes this.
#pragma once

#include <catch2/catch_all.hpp>

#include <string>

using Catch::Approx;

namespace Catch {

inline auto Contains(const std::string& part) {
  return Matchers::ContainsSubstring(part);
}

using Matchers::EndsWith;
using Matchers::StartsWith;

}  // namespace Catch
