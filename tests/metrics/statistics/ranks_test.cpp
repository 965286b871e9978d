// SPDX-License-Identifier: Apache-2.0
// Mann-Whitney against all permutations, SciPy, and groups with infinite values.
#include "metrics/statistics/ranks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "precision/base/check.h"
#include "tests/metrics/statistics/golden.h"

namespace precipice {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double pairs_won(const std::vector<double>& x, const std::vector<double>& y) {
  double won = 0;
  for (const double a : x)
    for (const double b : y) won += a > b ? 1 : a == b ? 0.5 : 0;
  return won;
}

// Every way to call n of the values x: how often U is at least as far from its mean.
double permutation_p(const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<double> all = x;
  all.insert(all.end(), y.begin(), y.end());
  std::vector<bool> chosen(all.size(), false);
  std::fill(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(x.size()), true);
  const double mean = static_cast<double>(x.size() * y.size()) / 2, seen = std::abs(pairs_won(x, y) - mean);
  double count = 0, extreme = 0;
  do {
    std::vector<double> a, b;
    for (std::size_t i = 0; i < all.size(); ++i) (chosen[i] ? a : b).push_back(all[i]);
    ++count;
    extreme += std::abs(pairs_won(a, b) - mean) >= seen;
  } while (std::prev_permutation(chosen.begin(), chosen.end()));
  return extreme / count;
}

}  // namespace

TEST_CASE("Mann-Whitney's p is the share of all permutations, with ties and infinities too") {
  const std::vector<std::pair<std::vector<double>, std::vector<double>>> groups{
      {{1, 2, 3}, {4, 5, 6}},
      {{1, 1, 2, 5}, {1, 2, 2, 3, 9}},
      {{2.5}, {1, 2, 3, 4, 5, 6}},
      {{kInfinity, kInfinity, 2.1, 2.2}, {2.0, 2.05, 2.15, 2.2}},
      {{kInfinity, kInfinity, kInfinity}, {kInfinity, 2, 2.1, 2.3}},
      {{7, 7, 7}, {7, 7}},
      {{-kInfinity, 0, 3}, {1, 1, 1, 4}},
  };
  for (const auto& [x, y] : groups) {
    const MannWhitney test = mann_whitney(x, y);
    CHECK(test.exact);
    CHECK(test.u == pairs_won(x, y));
    CHECK(test.p == permutation_p(x, y));  // both are quotients of the same whole numbers
    CHECK(mann_whitney(y, x).p == test.p);
  }
}

TEST_CASE("Mann-Whitney agrees with SciPy, exact and with the normal approximation") {
  for (const auto& row : statistics_golden()["ranks"]) {
    const MannWhitney test = mann_whitney(numbers(row["x"]), numbers(row["y"]));
    CHECK(test.u == row["u"].get<double>());
    CHECK(test.p == same(row["p"]));
    CHECK(test.exact == (row["x"].size() + row["y"].size() <= kMaxExact));
  }
}

TEST_CASE("an empty group has no p and NaN is refused") {
  CHECK(std::isnan(mann_whitney({}, std::vector<double>{1}).p));
  CHECK_THROWS_AS(mann_whitney(std::vector<double>{std::nan("")}, std::vector<double>{1}), ContractError);
}

TEST_CASE("large groups of one value are told apart by nothing") {
  const std::vector<double> same_values(50, 2.0);
  CHECK(mann_whitney(same_values, same_values).p == 1);
}

}  // namespace precipice
