// SPDX-License-Identifier: Apache-2.0
// Power against simulation, published figures, statsmodels; Holm against statsmodels and by hand; LR sensitivity by
// hand.
#include "metrics/statistics/power.h"

#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <utility>

#include "metrics/statistics/holm.h"
#include "metrics/statistics/lr_sensitivity.h"
#include "metrics/statistics/proportions.h"
#include "tests/metrics/statistics/golden.h"

namespace precipice {

TEST_CASE("power of Fisher's test is the rejection rate of simulated sweeps") {
  std::mt19937_64 random(5);
  constexpr int kTrials = 20'000;
  for (const auto& [p, q, n] : {std::tuple{0.1, 0.5, 18}, {0.1, 0.3, 50}, {0.0, 0.4, 12}}) {
    std::binomial_distribution<int> of_p(n, p), of_q(n, q);
    int rejected = 0;
    for (int trial = 0; trial < kTrials; ++trial)
      rejected += fisher_exact({of_p(random), n}, {of_q(random), n}) <= kLevel;
    // Five standard deviations at worst: 5 sqrt(1/4 / 20000).
    CHECK(std::abs(fisher_power(p, q, n) - rejected / double{kTrials}) < 0.018);
  }
}

TEST_CASE("power of Fisher's test is SciPy's p summed over both binomials") {
  for (const auto& row : statistics_golden()["fisher_power"])
    CHECK(fisher_power(row["p"], row["q"], row["n"]) == same(row["power"]));
  CHECK(std::round(100 * fisher_power(0.1, 0.3, 80)) == 87);
  CHECK(std::round(100 * fisher_power(0.1, 0.5, 30)) == 91);
}

TEST_CASE("power of the t test agrees with statsmodels") {
  for (const auto& row : statistics_golden()["power"])
    CHECK(t_test_power(row["effect"], row["n"]) == same(row["power"]));
  CHECK(t_test_power(1, 1) == 0);
}

TEST_CASE("the seeds asked for reach the power and one fewer does not") {
  for (const auto& [p, q] : {std::pair{0.1, 0.5}, {0.0, 0.3}, {0.9, 0.4}, {0.1, 0.3}}) {
    const std::int64_t n = seeds_for_proportions(p, q);
    REQUIRE(n > 2);
    CHECK(fisher_power(p, q, n) >= kTargetPower);
    CHECK(fisher_power(p, q, n - 1) < kTargetPower);
    CHECK(seeds_for_proportions(q, p) == n);
  }
  const std::int64_t n = seeds_for_means(1);
  CHECK(t_test_power(1, n) >= kTargetPower);
  CHECK(t_test_power(1, n - 1) < kTargetPower);
  CHECK(n == 17);  // Cohen 1988, table 2.4.1: d = 1.0, two-sided 5 %, power 0.80
  CHECK(seeds_for_means(0.5) == 64);
}

TEST_CASE("what can never be told apart is said to be so") {
  CHECK(seeds_for_proportions(0.2, 0.2) == -1);
  CHECK(seeds_for_proportions(0.1, 0.101) == -1);
  CHECK(seeds_for_means(0) == -1);
  CHECK(seeds_for_means(1e-3) == -1);
  CHECK(std::isnan(detectable_proportion(0, 3)));  // 3 of 3 against 0 of 3 has p = 0.1
  CHECK(std::isnan(detectable_effect(1)));
}

TEST_CASE("the detectable proportion and effect are the least with enough power") {
  const double p = detectable_proportion(0, 8);
  CHECK(fisher_power(0, p, 8) >= kTargetPower);
  CHECK(fisher_power(0, p - 0.01, 8) < kTargetPower);
  const double effect = detectable_effect(8);
  CHECK(t_test_power(effect, 8) >= kTargetPower);
  CHECK(t_test_power(effect - 0.01, 8) < kTargetPower);
}

TEST_CASE("Holm's p values agree with statsmodels, and comparisons that were not made do not count") {
  const auto p = numbers(statistics_golden()["holm"]["p"]);
  const auto expected = numbers(statistics_golden()["holm"]["adjusted"]);
  const auto adjusted = holm_adjusted(p);
  for (std::size_t i = 0; i < p.size(); ++i) CHECK(adjusted[i] == same(expected[i]));
  // By hand: 3 x 0.01; 2 x 0.02 = 0.04; the largest follows the one before it.
  const auto few = holm_adjusted(std::vector<double>{0.02, std::nan(""), 0.01, 0.03});
  CHECK(few[2] == Approx(0.03));
  CHECK(few[0] == Approx(0.04));
  CHECK(few[3] == Approx(0.04));
  CHECK(std::isnan(few[1]));
  CHECK(holm_adjusted({}).empty());
}

TEST_CASE("learning-rate sensitivity caps failures at the initial loss") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // min(.., 4): 3, 2, 2.5, 4, 4 with mean 3.1 and best 2.
  const std::vector<double> losses{3, 2, 2.5, kInfinity, std::nan("")};
  CHECK(lr_sensitivity(losses, 4).sensitivity == Approx(1.1).epsilon(1e-15));
  CHECK(lr_sensitivity(losses, 4).best_loss == 2);
  CHECK(lr_sensitivity(std::vector<double>{5, 6}, 4).sensitivity == 0);
  CHECK(std::isnan(lr_sensitivity({}, 4).sensitivity));
  CHECK(std::isnan(lr_sensitivity(losses, kInfinity).sensitivity));
}

}  // namespace precipice
