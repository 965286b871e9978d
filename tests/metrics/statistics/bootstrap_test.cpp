// SPDX-License-Identifier: Apache-2.0
// Bootstrap by run: coverage, reproducibility, exact distribution of a tiny group.
#include "metrics/statistics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "tests/support/catch.h"

namespace precipice {

TEST_CASE("equal seeds give equal intervals, other seeds others") {
  const std::vector<double> values{2.1, 2.4, 1.9, 2.2, 3.0, 2.0, 2.3, 2.6};
  const Bootstrap a = bootstrap_mean(values, {7}), b = bootstrap_mean(values, {7}), c = bootstrap_mean(values, {8});
  CHECK(a.interval == b.interval);
  CHECK_FALSE(a.interval == c.interval);
  CHECK(a.estimate == Approx(2.3125).epsilon(1e-15));
}

TEST_CASE("means of two runs are drawn as often as counting says") {
  // Of {0, 1} the resampled mean is 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
  const std::size_t sizes[] = {2};
  std::map<double, int> seen;
  bootstrap(sizes,
            [&](auto indices) {
              const double mean = static_cast<double>(indices[0][0] + indices[0][1]) / 2;
              ++seen[mean];
              return mean;
            },
            {1, kConfidence, 40'000});
  // Five standard deviations of a binomial of 40,000: 5 sqrt(40000 / 4) = 500.
  CHECK(std::abs(seen[0.5] - 20'000) < 500);
  CHECK(std::abs(seen[0.0] - 10'000) < 500);
  CHECK(std::abs(seen[1.0] - 10'000) < 500);
}

TEST_CASE("two groups are drawn independently of each other") {
  const std::size_t sizes[] = {2, 2};
  int equal = -1;  // the first call is for the runs as they are, which are equal
  bootstrap(sizes, [&](auto indices) { return equal += indices[0] == indices[1], 0.0; }, {1, kConfidence, 40'000});
  // One pair of draws in four is equal; five standard deviations of a binomial of 40,000 are 433.
  CHECK(std::abs(equal - 10'000) < 433);
}

TEST_CASE("the interval of a mean covers the truth as often as its known shortfall allows") {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal;
  int covered = 0;
  constexpr int kTrials = 400;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values(20);
    for (double& v : values) v = normal(random);
    const Interval interval = bootstrap_mean(values, {static_cast<std::uint64_t>(trial), kConfidence, 1000}).interval;
    covered += interval.low <= 0 && 0 <= interval.high;
  }
  // The percentile interval of 20 normal values covers about 92.8 % (normal quantile for Student's t, sd with n for
  // n - 1); five standard deviations of 400 trials are 6.5 %.
  CHECK(std::abs(covered / double{kTrials} - 0.928) < 0.065);
}

TEST_CASE("groups are resampled apart, and a group of one run has no interval") {
  const std::vector<double> high{10, 11, 12, 13}, low{1, 2, 3, 4}, one{5};
  const Bootstrap difference = bootstrap_median_difference(high, low, {3});
  CHECK(difference.estimate == 9);
  CHECK(difference.interval.low >= 6);
  CHECK(difference.interval.high <= 12);
  CHECK(std::isnan(bootstrap_median_difference(high, one, {3}).interval.low));
  CHECK(bootstrap_median_difference(high, one, {3}).estimate == 6.5);
  CHECK(std::isnan(bootstrap_mean({}, {1}).estimate));
}

TEST_CASE("the interval is of the confidence that is asked for: quantiles of the exact distribution of two values") {
  // Of {0, 1}: 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4, so that the ends are 0 and 1 while a tail holds less than
  // 1/4.
  const std::vector<double> values{0, 1};
  CHECK(bootstrap_mean(values, {0, 0.95}).interval == Interval{0, 1});
  CHECK(bootstrap_mean(values, {0, 0.6}).interval == Interval{0, 1});
  CHECK(bootstrap_mean(values, {0, 0.4}).interval == Interval{0.5, 0.5});
  const std::vector<double> more{2.1, 2.4, 1.9, 2.2, 3.0, 2.0, 2.3, 2.6}, other{1.1, 1.4, 0.9, 1.2, 2.0, 1.0};
  double width = 0, difference_width = 0;
  for (const double confidence : {0.5, 0.8, 0.95, 0.99}) {
    const Interval of_mean = bootstrap_mean(more, {0, confidence}).interval,
                   of_difference = bootstrap_median_difference(more, other, {0, confidence}).interval;
    CHECK(of_mean.high - of_mean.low > width);
    CHECK(of_difference.high - of_difference.low > difference_width);
    width = of_mean.high - of_mean.low, difference_width = of_difference.high - of_difference.low;
  }
}

TEST_CASE("resamples without a number are counted as dropped") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // The mean of a resample of {inf, -inf} is no number unless both draws are equal: half of the time.
  const std::vector<double> values{kInfinity, -kInfinity};
  const Bootstrap mean = bootstrap_mean(values, {1});
  CHECK(std::isnan(mean.estimate));
  CHECK(mean.resamples == 10'000);
  CHECK(std::abs(mean.dropped - 5'000) < 250);  // five standard deviations
  CHECK(mean.interval == Interval{-kInfinity, kInfinity});
  CHECK(bootstrap_mean(std::vector<double>{1, 2}, {1}).dropped == 0);
  CHECK(bootstrap_mean(std::vector<double>{1}, {1}).resamples == 0);
}

TEST_CASE("quantiles lie between order statistics and pass through infinities") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  CHECK(sorted_quantile(std::vector<double>{1, 2, 4, 8}, 0.5) == 3);
  CHECK(sorted_quantile(std::vector<double>{1, 2, 4, 8}, 1) == 8);
  CHECK(sorted_quantile(std::vector<double>{1, kInfinity, kInfinity}, 0.75) == kInfinity);
  CHECK(sorted_quantile(std::vector<double>{-kInfinity, 1}, 0.5) == -kInfinity);
  CHECK(sorted_quantile(std::vector<double>{1, kInfinity}, 0.5) == kInfinity);
  CHECK(std::isnan(sorted_quantile(std::vector<double>{-kInfinity, kInfinity}, 0.5)));
  CHECK(median_of({kInfinity, 1, 2}) == 2);
  CHECK(std::isnan(median_of({})));
}

}  // namespace precipice
