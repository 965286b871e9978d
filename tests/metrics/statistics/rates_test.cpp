// SPDX-License-Identifier: Apache-2.0
// Ratios of rates: with equal exposures the exact binomial of SciPy; with unequal ones the tails summed over all counts.
#include "metrics/statistics/rates.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/metrics/statistics/golden.h"

namespace precipice {
namespace {

// P(sum of the first's counts >= s) at a ratio, by all combinations of the seeds' counts.
double upper_tail(const std::vector<PairedEpisodes>& seeds, double ratio, std::int64_t s) {
  const std::function<double(std::size_t, std::int64_t)> from = [&](std::size_t i, std::int64_t left) -> double {
    if (i == seeds.size()) return left <= 0 ? 1 : 0;
    const double pi = ratio * seeds[i].first_steps / (ratio * seeds[i].first_steps + seeds[i].second_steps);
    const std::int64_t n = seeds[i].first + seeds[i].second;
    double sum = 0, ways = 1;
    for (std::int64_t k = 0; k <= n; ++k) {
      const auto x = static_cast<double>(k), y = static_cast<double>(n - k);
      sum += ways * std::pow(pi, x) * std::pow(1 - pi, y) * from(i + 1, left - k);
      ways *= y / (x + 1);
    }
    return sum;
  };
  return from(0, s);
}

}  // namespace

TEST_CASE("with equal exposures the ratio's test and interval are the binomial's") {
  for (const auto& row : statistics_golden()["equal_exposures"]) {
    std::vector<PairedEpisodes> seeds;
    std::int64_t first = 0, total = 0;
    for (const auto& counts : row["counts"]) {
      seeds.push_back({counts[0], counts[1], 400, 400});
      first += seeds.back().first, total += seeds.back().first + seeds.back().second;
    }
    const RateRatio ratio = rate_ratio(seeds);
    const double low = row["low"], high = row["high"];
    CHECK(ratio.p == same(row["p"]));
    CHECK(ratio.interval.low == same(low / (1 - low)));
    CHECK((high == 1 ? std::isinf(ratio.interval.high) : ratio.interval.high == same(high / (1 - high))));
    CHECK(ratio.ratio == same(static_cast<double>(first) / static_cast<double>(total - first)));
  }
}

TEST_CASE("with unequal exposures the interval's ends have tails of 2.5 %") {
  const std::vector<PairedEpisodes> seeds{{3, 1, 272, 400}, {2, 2, 400, 100}, {0, 1, 50, 400}, {4, 0, 400, 400}};
  const RateRatio ratio = rate_ratio(seeds);
  CHECK(upper_tail(seeds, ratio.interval.low, 9) == Approx(0.025).epsilon(1e-9));
  CHECK(1 - upper_tail(seeds, ratio.interval.high, 10) == Approx(0.025).epsilon(1e-9));
  const double upper = upper_tail(seeds, 1, 9), lower = 1 - upper_tail(seeds, 1, 10);
  CHECK(ratio.p == same(2 * std::min(upper, lower)));
}

TEST_CASE("formats that never spike are not told apart, and one that never does has no least ratio") {
  const std::vector<PairedEpisodes> none{{0, 0, 100, 100}, {0, 0, 100, 100}};
  CHECK(rate_ratio(none).p == 1);
  CHECK(rate_ratio(none).interval.low == 0);
  CHECK(std::isinf(rate_ratio(none).interval.high));
  CHECK(std::isnan(rate_ratio(none).ratio));
  const std::vector<PairedEpisodes> only_second{{0, 3, 100, 100}, {0, 2, 100, 100}};
  CHECK(rate_ratio(only_second).ratio == 0);
  CHECK(rate_ratio(only_second).interval.low == 0);
  const std::vector<PairedEpisodes> only_first{{2, 0, 100, 100}};
  CHECK(std::isinf(rate_ratio(only_first).ratio));
  CHECK(std::isinf(rate_ratio(only_first).interval.high));
  CHECK(rate_ratio({}).p == 1);
}

TEST_CASE("spikes that come in clumps are seen to, and evenly spread ones are not") {
  std::vector<PairedEpisodes> clumped, even;
  for (int seed = 0; seed < 10; ++seed) {
    clumped.push_back(seed % 2 == 0 ? PairedEpisodes{9, 0, 400, 400} : PairedEpisodes{0, 8, 400, 400});
    even.push_back({1 + seed % 2, 1, 400, 400});
  }
  CHECK(rate_ratio(clumped).is_clumped);
  CHECK(rate_ratio(clumped).by_seeds.high / rate_ratio(clumped).by_seeds.low >
        rate_ratio(clumped).interval.high / rate_ratio(clumped).interval.low);
  CHECK_FALSE(rate_ratio(even).is_clumped);
  // chi^2 of the clumped counts by hand: ratio 9 / 8, so pi = 9 / 17; 5 seeds of 9 with 9, 5 of 8 with 0.
  const double pi = 9.0 / 17;
  const double chi_squared =
      5 * std::pow(9 - 9 * pi, 2) / (9 * pi * (1 - pi)) + 5 * std::pow(8 * pi, 2) / (8 * pi * (1 - pi));
  CHECK(rate_ratio(clumped).clumping_p == Approx(chi_squared_tail(chi_squared, 9)).epsilon(1e-6));
}

TEST_CASE("the jackknife of equal seeds has no width to give, and of two it is the delta between them") {
  const std::vector<PairedEpisodes> equal{{2, 1, 100, 100}, {2, 1, 100, 100}};
  CHECK(std::isnan(rate_ratio(equal).ratio_by_seeds));
  const std::vector<PairedEpisodes> two{{2, 1, 100, 100}, {3, 1, 100, 100}};
  // Without each seed the log ratio is log 3 and log 2; the error is half their distance.
  const double error = (std::log(3.0) - std::log(2.0)) / 2, reach = two_sided_student_quantile(0.95, 1) * error;
  CHECK(rate_ratio(two).ratio_by_seeds == same(2.5));
  CHECK(rate_ratio(two).by_seeds.low == same(std::exp(std::log(2.5) - reach)));
}

}  // namespace precipice
