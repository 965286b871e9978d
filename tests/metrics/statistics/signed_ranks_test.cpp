// SPDX-License-Identifier: Apache-2.0
// Sign and signed-rank tests against all signs of the pairs and SciPy; Hodges and Lehmann's interval against the shifts
// that the exact test does not reject.
#include "metrics/statistics/signed_ranks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "metrics/statistics/ranks.h"
#include "tests/metrics/statistics/golden.h"

namespace precipice {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// W+ of Pratt: |d| ranked with the zeros, ranks of the positive ones added.
double w_plus_of(const std::vector<double>& d) {
  std::vector<double> sizes;
  for (const double value : d) sizes.push_back(std::abs(value));
  const std::vector<std::size_t> ranks = doubled_midranks(sizes);
  double w = 0;
  for (std::size_t i = 0; i < d.size(); ++i) w += d[i] > 0 ? static_cast<double>(ranks[i]) / 2 : 0;
  return w;
}

// The share of all signs of the pairs that differ at which W+ is at least as far from its mean.
double all_signs_p(std::vector<double> d) {
  const double seen = w_plus_of(d);
  for (double& value : d) value = std::abs(value);
  const double mean = w_plus_of(d) / 2;
  double count = 0, extreme = 0;
  for (std::uint64_t signs = 0; signs < (std::uint64_t{1} << d.size()); ++signs) {
    std::vector<double> signed_d = d;
    for (std::size_t i = 0; i < d.size(); ++i)
      if ((signs >> i & 1) != 0) signed_d[i] = -d[i];
    ++count, extreme += std::abs(w_plus_of(signed_d) - mean) >= std::abs(seen - mean);
  }
  return extreme / count;
}

}  // namespace

TEST_CASE("the signed-rank test's p is the share of all signs, with ties, zeros and runs that diverged") {
  const std::vector<std::vector<double>> samples{
      {1, 2, 3, 4},       {0.5, -0.25, 3, 1, -7}, {1, 1, -1, 2, 2, 2},   {0, 0, 1, -3, 2, 2},    {0, 0, 5},
      {kInfinity, 1, -2}, {-1, -1, -1, -1, -1},   {kInfinity, 0, 0.125}, {3, -3, 3, -3, 1, 0, 2}};
  for (const std::vector<double>& d : samples) {
    INFO(Catch::Detail::stringify(d));
    const SignedRankTest test = signed_rank_test(d);
    CHECK(test.exact);
    CHECK(test.w_plus == w_plus_of(d));
    CHECK(test.p == same(all_signs_p(d)));
    CHECK(test.zeros == std::count(d.begin(), d.end(), 0.0));
  }
}

TEST_CASE("sign and signed-rank tests are SciPy's where there are no ties") {
  for (const auto& row : statistics_golden()["paired"]) {
    const std::vector<double> d = numbers(row["d"]);
    CHECK(signed_rank_test(d).p == same(row["wilcoxon"]));
    CHECK(signed_rank_test(d).w_plus == row["w_plus"].get<double>());
    CHECK(sign_test(d).p == same(row["sign"]));
  }
}

TEST_CASE("no exact test is below 2^(1 - n), n counting the pairs that differ") {
  for (std::size_t n = 1; n <= 12; ++n) {
    std::vector<double> d;
    for (std::size_t i = 0; i < n; ++i) d.push_back(1.0 + static_cast<double>(i));
    const double least = least_exact_p(static_cast<std::int64_t>(n));
    CHECK(least == std::pow(2.0, 1.0 - static_cast<double>(n)));
    CHECK(sign_test(d).p == same(least));
    CHECK(signed_rank_test(d).p == same(least));
    d.push_back(0), d.push_back(0);
    CHECK(sign_test(d).p == same(least));
    CHECK(signed_rank_test(d).p == same(least));
  }
  CHECK(least_exact_p(0) == 1);
  CHECK(signed_rank_test(std::vector<double>{0, 0}).p == 1);
  CHECK(signed_rank_test({}).p == 1);
  CHECK(sign_test({}).p == 1);
}

TEST_CASE("Hodges and Lehmann's interval is the shifts that the exact test does not reject") {
  for (const auto& row : statistics_golden()["paired"]) {
    const std::vector<double> d = numbers(row["d"]);
    const HodgesLehmann shift = hodges_lehmann(d);
    if (d.size() < 6) {
      CHECK(std::isnan(shift.interval.low));
      continue;
    }
    const auto p_at = [&](double null) {
      std::vector<double> moved = d;
      for (double& value : moved) value -= null;
      return signed_rank_test(moved).p;
    };
    const double step = 1e-9;
    CHECK(p_at(shift.interval.low + step) > 0.05);
    CHECK(p_at(shift.interval.low - step) <= 0.05);
    CHECK(p_at(shift.interval.high - step) > 0.05);
    CHECK(p_at(shift.interval.high + step) <= 0.05);
    CHECK(p_at(shift.estimate) > 0.9);
  }
}

TEST_CASE("the interval of 0.95 exists from six pairs on, and at five from 0.9 on") {
  const std::vector<double> five{1, 2, 3, 4, 5}, six{1, 2, 3, 4, 5, 6};
  CHECK(std::isnan(hodges_lehmann(five).interval.low));
  CHECK((hodges_lehmann(five, 0.9).interval == Interval{1, 5}));
  CHECK((hodges_lehmann(six).interval == Interval{1, 6}));
  CHECK(hodges_lehmann(six).estimate == 3.5);
  const std::vector<double> opposed{kInfinity, -kInfinity, 1};
  CHECK(std::isnan(hodges_lehmann(opposed).estimate));
  const std::vector<double> diverged{kInfinity, kInfinity, 1, 2, 3, 4};
  CHECK(hodges_lehmann(diverged).interval.high == kInfinity);
  CHECK(std::isnan(hodges_lehmann({}).estimate));
}

}  // namespace precipice
