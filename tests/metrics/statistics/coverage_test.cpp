// SPDX-License-Identifier: Apache-2.0
// How often intervals hold the truth, over 10^4 simulated sweeps: the table of docs/METRICS.md. Differences within seeds
// are normal, Student's t with 3 degrees of freedom, or normal with one seed in ten that jumps by 8 deviations.
#include <array>
#include <cmath>
#include <numbers>
#include <random>

#include "metrics/statistics/bootstrap.h"
#include "metrics/statistics/paired.h"
#include "metrics/statistics/paired_outcomes.h"
#include "metrics/statistics/rates.h"
#include "metrics/statistics/signed_ranks.h"
#include "tests/support/catch.h"

namespace precipice {
namespace {

constexpr int kSweeps = 10'000;
constexpr std::array<int, 4> kPairs{3, 5, 10, 20};
constexpr double kJump = 8, kJumps = 0.1;
// Expected shares are NumPy's over 400,000 sweeps (the bootstrap's 40,000), whose own error is below 0.003. The slack is
// 2.4 standard errors of 10^4 sweeps at the lowest of them, 0.78, and 4.6 at 0.95.
constexpr double kSlack = 0.01;

enum class Law { Normal, StudentT3, Jumps };

// Uniform in (0, 1) from the standard's generator, whose words are the same everywhere; its distributions are not.
class Draws {
 public:
  double uniform() { return (static_cast<double>(engine_() >> 11) + 0.5) / 9007199254740992.0; }
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  double difference(Law law) {
    if (law == Law::Normal) return normal();
    if (law == Law::Jumps) return normal() + (uniform() < kJumps ? kJump : 0);
    const double z = normal(), a = normal(), b = normal(), c = normal();
    return z / std::sqrt((a * a + b * b + c * c) / 3);
  }

 private:
  std::mt19937_64 engine_{20240518};
};

double truth(Law law) {
  return law == Law::Jumps ? kJump * kJumps : 0;
}

bool holds(const Interval& interval, double value) {
  return interval.low <= value && value <= interval.high;
}

template <class IntervalOf>
double coverage(Law law, int pairs, IntervalOf interval_of) {
  Draws draws;
  int held = 0;
  std::vector<double> d(static_cast<std::size_t>(pairs));
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (double& value : d) value = draws.difference(law);
    held += holds(interval_of(d), truth(law));
  }
  return static_cast<double>(held) / kSweeps;
}

void check_row(Law law, const std::array<double, 4>& expected, const auto& interval_of) {
  for (std::size_t i = 0; i < kPairs.size(); ++i) {
    CAPTURE(static_cast<int>(law), kPairs[i]);
    CHECK(coverage(law, kPairs[i], interval_of) == Approx(expected[i]).margin(kSlack));
  }
}

}  // namespace

TEST_CASE("the paired t interval covers 95 % of normal seeds, and 78 to 91 % where one seed in ten jumps", "[.slow]") {
  const auto t = [](const std::vector<double>& d) { return paired_t(d).interval; };
  check_row(Law::Normal, {0.950, 0.950, 0.950, 0.950}, t);
  check_row(Law::StudentT3, {0.962, 0.963, 0.959, 0.957}, t);
  check_row(Law::Jumps, {0.901, 0.833, 0.784, 0.881}, t);
}

TEST_CASE("the percentile bootstrap of a mean covers less than it says below 20 pairs", "[.slow]") {
  std::uint64_t sweep = 0;  // resamples of their own for each
  const auto bootstrap = [&](const std::vector<double>& d) {
    return bootstrap_mean(d, {.seed = sweep++, .confidence = 0.95, .resamples = 400}).interval;
  };
  check_row(Law::Normal, {0.740, 0.834, 0.898, 0.922}, bootstrap);
}

TEST_CASE("exact intervals cover at least 95 % whatever the law", "[.slow]") {
  const auto walsh = [](const std::vector<double>& d) { return hodges_lehmann(d).interval; };
  for (const int pairs : {6, 10, 20}) {
    CAPTURE(pairs);
    CHECK(coverage(Law::Normal, pairs, walsh) >= 0.95 - 0.005);  // 2.3 standard errors
    CHECK(coverage(Law::StudentT3, pairs, walsh) >= 0.95 - 0.005);
  }
  Draws draws;
  int held = 0;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    // Poisson counts at a ratio of 1.5, with rates that differ by seed.
    std::vector<PairedEpisodes> seeds;
    for (int seed = 0; seed < 6; ++seed) {
      PairedEpisodes episodes{0, 0, 300, 400};
      const double rate = (0.5 + draws.uniform()) / 400;
      for (double time = 0; (time -= std::log(draws.uniform()) / (1.5 * rate)) < 300;) ++episodes.first;
      for (double time = 0; (time -= std::log(draws.uniform()) / rate) < 400;) ++episodes.second;
      seeds.push_back(episodes);
    }
    held += holds(rate_ratio(seeds).interval, 1.5);
  }
  CHECK(static_cast<double>(held) / kSweeps >= 0.95 - 0.005);
}

}  // namespace precipice
