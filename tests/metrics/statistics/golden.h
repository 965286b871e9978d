// SPDX-License-Identifier: Apache-2.0
// tests/golden/statistics.json: what SciPy, statsmodels, lifelines and scikit-learn make of the same numbers.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/paths.h"

namespace precipice {

inline const nlohmann::json& statistics_golden() {
  static const nlohmann::json golden =
      nlohmann::json::parse(std::ifstream(source_directory() + "/tests/golden/statistics.json"));
  return golden;
}

inline std::vector<double> numbers(const nlohmann::json& array) {
  return array.get<std::vector<double>>();
}

// Both sides evaluate the same formula in double by other routes (incomplete beta and gamma functions, sums in another
// order): 1e-9 is a thousand times their differences and far below any digit that is shown.
inline Approx same(double value) {
  return Approx(value).epsilon(1e-9).margin(1e-12);
}

}  // namespace precipice
