// SPDX-License-Identifier: Apache-2.0
// Paired t and two one-sided tests against SciPy and statsmodels, the power against statsmodels and by simulation.
#include "metrics/statistics/paired.h"

#include <cmath>
#include <limits>

#include "metrics/statistics/power.h"
#include "tests/metrics/statistics/golden.h"

namespace precipice {

TEST_CASE("the paired t test and its interval are SciPy's, against zero and against a margin") {
  for (const auto& row : statistics_golden()["paired"]) {
    const std::vector<double> d = numbers(row["d"]);
    const PairedT test = paired_t(d);
    CHECK(test.n == static_cast<std::int64_t>(d.size()));
    CHECK(test.p == same(row["p"]));
    CHECK(test.interval.low == same(row["low"]));
    CHECK(test.interval.high == same(row["high"]));
    CHECK(paired_t(d, row["null"]).p == same(row["p_null"]));
  }
}

TEST_CASE("two one-sided tests are statsmodels', and the word is the interval's") {
  for (const auto& row : statistics_golden()["paired"]) {
    const std::vector<double> d = numbers(row["d"]);
    const Equivalence test = equivalence_test(d, {row["margins"][0], row["margins"][1]});
    CHECK(test.p_low == same(row["tost_low"]));
    CHECK(test.p_high == same(row["tost_high"]));
    CHECK(test.p == same(row["tost"]));
    CHECK(test.is_inside == (test.p < 0.05));
  }
  const std::vector<double> far{1.0, 1.1, 0.9, 1.05};
  CHECK(equivalence_test(far, {-0.5, 0.5}).is_outside);
  CHECK(equivalence_test(far, {0.5, 1.5}).is_inside);
}

TEST_CASE("seeds that are all shifted by one number are said to be, and no pair or one pair says nothing") {
  const std::vector<double> shifted{0.1, 0.1, 0.1};  // three times 0.1 is not 0.3 in binary
  const PairedT test = paired_t(shifted);
  CHECK(test.is_constant);
  CHECK(test.mean == 0.1);
  CHECK(test.deviation == 0);
  CHECK((test.interval == Interval{0.1, 0.1}));
  CHECK(test.p == 0);
  CHECK(paired_t(shifted, 0.1).p == 1);
  CHECK(equivalence_test(shifted, {-0.2, 0.2}).is_inside);
  CHECK(equivalence_test(shifted, {-0.2, 0.2}).p == 0);
  CHECK(equivalence_test(shifted, {-0.05, 0.05}).p == 1);
  CHECK(std::isnan(paired_t({}).mean));
  const std::vector<double> one{0.1};
  CHECK(paired_t(one).mean == 0.1);
  CHECK(std::isnan(paired_t(one).p));
  CHECK(std::isnan(equivalence_test(one, {-1, 1}).p));
  CHECK_FALSE(equivalence_test(one, {-1, 1}).is_inside);
}

TEST_CASE("a small spread about a large mean keeps its digits") {
  const std::vector<double> near{1e6 + 0.25, 1e6 + 0.5, 1e6 + 0.75};
  CHECK(paired_t(near).deviation == 0.25);
}

TEST_CASE("power of the paired t test is statsmodels', and the seeds that it asks for are the least") {
  for (const auto& row : statistics_golden()["paired_power"])
    CHECK(paired_t_power(row["effect"], row["n"]) == Approx(row["power"].get<double>()).epsilon(1e-8));
  // One standard deviation: 41 % with 5 pairs, 80 % with 10.
  CHECK(paired_t_power(1, 5) == Approx(0.40).margin(0.02));
  CHECK(pairs_for_means(1) == 10);
  for (const double effect : {0.1, 0.3, 0.9, 2.5}) {
    const std::int64_t n = pairs_for_means(effect);
    CHECK(paired_t_power(effect, n) >= 0.8);
    CHECK(paired_t_power(effect, n - 1) < 0.8);
  }
  CHECK(pairs_for_means(0) == -1);
  CHECK(pairs_for_means(1e-3) == -1);
}

}  // namespace precipice
