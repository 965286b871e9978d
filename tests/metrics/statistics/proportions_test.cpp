// SPDX-License-Identifier: Apache-2.0
// Intervals and tests of counts against published figures, statsmodels and SciPy, and sums in whole numbers.
#include "metrics/statistics/proportions.h"

#include <cmath>
#include <numeric>

#include "precision/base/check.h"
#include "tests/metrics/statistics/golden.h"

namespace precipice {
namespace {

double round_to(double value, double digits) {
  return std::round(value * digits) / digits;
}

unsigned long long binomial(unsigned n, unsigned k) {
  unsigned long long result = 1;
  for (unsigned i = 1; i <= k; ++i) result = result * (n - k + i) / i;
  return result;
}

}  // namespace

TEST_CASE("18 of 188 against 0 of 70 gives the figures published for bf16 and tf32") {
  const Count bf16{18, 188}, tf32{0, 70};
  CHECK(round_to(100 * wilson_interval(bf16).low, 10) == 6.1);
  CHECK(round_to(100 * wilson_interval(bf16).high, 10) == 14.6);
  CHECK(round_to(100 * jeffreys_interval(bf16).low, 10) == 6.0);
  CHECK(round_to(100 * jeffreys_interval(bf16).high, 10) == 14.4);
  CHECK(round_to(fisher_exact(bf16, tf32), 10000) == 0.0044);
  CHECK(round_to(100 * wilson_interval(tf32).high, 10) == 5.2);
  CHECK(round_to(100 * jeffreys_interval(tf32).high, 10) == 3.5);
}

TEST_CASE("Wilson and Jeffreys intervals agree with statsmodels and SciPy") {
  for (const auto& row : statistics_golden()["proportions"]) {
    const Count count{row["events"], row["trials"]};
    INFO(count.events << " of " << count.trials);
    CHECK(wilson_interval(count).low == same(row["wilson"][0]));
    CHECK(wilson_interval(count).high == same(row["wilson"][1]));
    CHECK(jeffreys_interval(count).low == same(row["jeffreys"][0]));
    CHECK(jeffreys_interval(count).high == same(row["jeffreys"][1]));
  }
}

TEST_CASE("Newcombe's interval and Fisher's p agree with statsmodels and SciPy") {
  for (const auto& row : statistics_golden()["pairs"]) {
    const Count a{row["a"][0], row["a"][1]}, b{row["b"][0], row["b"][1]};
    INFO(row.dump());
    CHECK(newcombe_difference(a, b).interval.low == same(row["newcombe"][0]));
    CHECK(newcombe_difference(a, b).interval.high == same(row["newcombe"][1]));
    CHECK(fisher_exact(a, b) == same(row["fisher"]));
    CHECK(fisher_exact(b, a) == same(row["fisher"]));
  }
}

TEST_CASE("Newcombe's own example, 56 of 70 against 48 of 80, comes out as printed") {
  // Newcombe 1998, Statistics in Medicine 17:873, table II (a), method 10: 0.0524 to 0.3339.
  const Difference difference = newcombe_difference({56, 70}, {48, 80});
  CHECK(round_to(difference.value, 1e4) == 0.2);
  CHECK(round_to(difference.interval.low, 1e4) == 0.0524);
  CHECK(round_to(difference.interval.high, 1e4) == 0.3339);
}

TEST_CASE("Fisher's p is the count of tables as extreme, for all tables of up to 8 runs a side") {
  for (unsigned n = 1; n <= 8; ++n)
    for (unsigned m = 1; m <= 8; ++m)
      for (unsigned a = 0; a <= n; ++a)
        for (unsigned b = 0; b <= m; ++b) {
          unsigned long long extreme = 0;  // equal whole numbers are equal: no tolerance is needed
          for (unsigned x = 0; x <= n; ++x) {
            if (x > a + b || a + b - x > m) continue;
            const auto ways = binomial(n, x) * binomial(m, a + b - x);
            if (ways <= binomial(n, a) * binomial(m, b)) extreme += ways;
          }
          const double exact = static_cast<double>(extreme) / static_cast<double>(binomial(n + m, a + b));
          // A dozen products and a sum in double.
          CHECK(std::abs(fisher_exact({a, n}, {b, m}) - exact) < 1e-14);
        }
}

TEST_CASE("intervals mirror when events and others change places, and hold the fraction") {
  for (std::int64_t n = 1; n <= 12; ++n)
    for (std::int64_t k = 0; k <= n; ++k)
      for (const auto interval : {wilson_interval, jeffreys_interval}) {
        const Interval here = interval({k, n}, kConfidence), there = interval({n - k, n}, kConfidence);
        const double p = static_cast<double>(k) / static_cast<double>(n);
        CHECK(here.low <= p);
        CHECK(p <= here.high);
        CHECK(std::abs(here.low - (1 - there.high)) < 1e-12);  // quantiles of the incomplete beta: a few ulps
      }
}

TEST_CASE("no trials say nothing, and counts that cannot be are refused") {
  CHECK(wilson_interval({0, 0}) == Interval{0, 1});
  CHECK(jeffreys_interval({0, 0}) == Interval{0, 1});
  CHECK(std::isnan(newcombe_difference({0, 0}, {1, 2}).value));
  CHECK(newcombe_difference({0, 0}, {1, 2}).interval == Interval{-1, 1});
  CHECK(fisher_exact({0, 0}, {1, 2}) == 1);
  CHECK_THROWS_AS(wilson_interval({3, 2}), ContractError);
  CHECK_THROWS_AS(fisher_exact({-1, 2}, {0, 1}), ContractError);
}

TEST_CASE("probabilities of a large table sum to one and do not vanish around the mode") {
  const auto probabilities = hypergeometric(5000, 5000, 5000);
  CHECK(std::abs(std::accumulate(probabilities.begin(), probabilities.end(), 0.0) - 1) < 1e-12);  // 5001 roundings
  // Normal approximation at the mode: 1 / sqrt(2 pi v), v = 625.06; its own error is of order 1/v.
  CHECK(probabilities[2500] == Approx(1 / std::sqrt(2 * 3.14159265358979 * 625.0625)).epsilon(1e-3));
}

}  // namespace precipice
