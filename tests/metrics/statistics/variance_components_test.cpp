// SPDX-License-Identifier: Apache-2.0
// Components from crossed seeds: mean squares of statsmodels' analysis of variance, and designs whose answer is known.
#include "metrics/statistics/variance_components.h"

#include <algorithm>
#include <cmath>

#include "tests/metrics/statistics/golden.h"

namespace precipice {

TEST_CASE("components follow from the mean squares of statsmodels' analysis of variance") {
  for (const auto& row : statistics_golden()["crossed"]) {
    const std::vector<std::size_t> levels = row["levels"].get<std::vector<std::size_t>>();
    const std::vector<double> values = numbers(row["values"]), squares = numbers(row["mean_squares"]);
    const VarianceComponents components = variance_components(values, levels);
    CHECK(components.rest.value == same(squares.back()));
    for (std::size_t f = 0; f < levels.size(); ++f) {
      const double per_level = static_cast<double>(values.size() / levels[f]);
      CHECK(components.factors[f].value == same((squares[f] - squares.back()) / per_level));
      CHECK(components.factors[f].degrees == static_cast<double>(levels[f] - 1));
      CHECK(components.factors[f].variance == std::max(0.0, components.factors[f].value));
    }
  }
}

TEST_CASE("effects that only add up leave no rest, and their components are the levels' own variances") {
  const std::vector<double> weights{0, 2, 4}, order{0, 1};
  std::vector<double> values;
  for (const double w : weights)
    for (const double o : order) values.push_back(w + o);
  const VarianceComponents components = variance_components(values, std::vector<std::size_t>{3, 2});
  CHECK(components.rest.value == Approx(0).margin(1e-12));
  CHECK(components.factors[0].value == same(4));    // of 0, 2, 4
  CHECK(components.factors[1].value == same(0.5));  // of 0, 1
}

TEST_CASE("a component below what the rest explains is shown as 0 with its value beside") {
  // All scatter is interaction: both factors' means are equal.
  const VarianceComponents components =
      variance_components(std::vector<double>{1, -1, -1, 1}, std::vector<std::size_t>{2, 2});
  CHECK(components.factors[0].value < 0);
  CHECK(components.factors[0].variance == 0);
}

TEST_CASE("a factor with one level, or a design without a rest, has no component") {
  const VarianceComponents one_level =
      variance_components(std::vector<double>{1, 2, 3}, std::vector<std::size_t>{3, 1});
  CHECK(std::isnan(one_level.factors[0].value));  // nothing is left to measure the rest
  CHECK(std::isnan(one_level.factors[1].value));
  CHECK(std::isnan(one_level.rest.value));
  CHECK_THROWS(variance_components(std::vector<double>{1, 2, 3}, std::vector<std::size_t>{2, 2}));
}

}  // namespace precipice
