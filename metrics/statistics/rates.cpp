// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/rates.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr double kClumped = 0.05;

double share_of_first(const PairedEpisodes& seed, double ratio) {
  return ratio * seed.first_steps / (ratio * seed.first_steps + seed.second_steps);
}

// Probability of each sum of the first format's counts.
std::vector<double> counts_distribution(std::span<const PairedEpisodes> seeds, double ratio) {
  std::vector<double> probability{1.0};
  for (const PairedEpisodes& seed : seeds) {
    const double pi = share_of_first(seed, ratio);
    for (std::int64_t episode = 0; episode < seed.first + seed.second; ++episode) {
      probability.push_back(0);
      for (std::size_t k = probability.size() - 1; k > 0; --k)
        probability[k] = probability[k] * (1 - pi) + probability[k - 1] * pi;
      probability[0] *= 1 - pi;
    }
  }
  return probability;
}

struct RateTails {
  double lower, upper;  // P(S <= s), P(S >= s)
};
RateTails rate_tails(std::span<const PairedEpisodes> seeds, double ratio, std::int64_t sum) {
  const std::vector<double> probability = counts_distribution(seeds, ratio);
  const auto at = probability.begin() + static_cast<std::ptrdiff_t>(sum);
  return {std::accumulate(probability.begin(), at + 1, 0.0), std::accumulate(at, probability.end(), 0.0)};
}

// The ratio at which a rising function of it passes 0, by bisection of its logarithm.
template <class Rising>
double root_of(Rising rising) {
  double low = -60, high = 60;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (rising(std::exp(middle)) < 0 ? low : high) = middle;
  }
  return std::exp((low + high) / 2);
}

double expected_first(std::span<const PairedEpisodes> seeds, double ratio) {
  double sum = 0;
  for (const PairedEpisodes& seed : seeds)
    sum += static_cast<double>(seed.first + seed.second) * share_of_first(seed, ratio);
  return sum;
}

double clumping_p_of(std::span<const PairedEpisodes> seeds, double ratio) {
  double chi_squared = 0, informative = 0;
  for (const PairedEpisodes& seed : seeds) {
    const auto n = static_cast<double>(seed.first + seed.second);
    if (n == 0) continue;
    const double pi = share_of_first(seed, ratio);
    chi_squared += std::pow(static_cast<double>(seed.first) - n * pi, 2) / (n * pi * (1 - pi));
    ++informative;
  }
  return informative < 2 ? kNaN : chi_squared_tail(chi_squared, informative - 1);
}

double log_ratio_of_totals(std::span<const PairedEpisodes> seeds, std::size_t left_out) {
  double first = 0, second = 0, first_steps = 0, second_steps = 0;
  for (std::size_t s = 0; s < seeds.size(); ++s) {
    if (s == left_out) continue;
    first += static_cast<double>(seeds[s].first), second += static_cast<double>(seeds[s].second);
    first_steps += seeds[s].first_steps, second_steps += seeds[s].second_steps;
  }
  return first > 0 && second > 0 ? std::log(first / first_steps) - std::log(second / second_steps) : kNaN;
}

void jackknife(std::span<const PairedEpisodes> seeds, double confidence, RateRatio& result) {
  result.ratio_by_seeds = result.p_by_seeds = kNaN, result.by_seeds = {kNaN, kNaN};
  const double all = log_ratio_of_totals(seeds, seeds.size()), n = static_cast<double>(seeds.size());
  if (seeds.size() < 2 || std::isnan(all)) return;
  std::vector<double> without;
  for (std::size_t s = 0; s < seeds.size(); ++s) without.push_back(log_ratio_of_totals(seeds, s));
  const double mean = std::accumulate(without.begin(), without.end(), 0.0) / n;
  double squares = 0;
  for (const double value : without) squares += (value - mean) * (value - mean);
  const double error = std::sqrt(squares * (n - 1) / n);
  if (std::isnan(error) || error == 0) return;
  const double reach = two_sided_student_quantile(confidence, n - 1) * error;
  result.ratio_by_seeds = std::exp(all);
  result.by_seeds = {std::exp(all - reach), std::exp(all + reach)};
  result.p_by_seeds = two_sided_student_p(all / error, n - 1);
}

}  // namespace

RateRatio rate_ratio(std::span<const PairedEpisodes> seeds, double confidence) {
  std::int64_t first = 0, total = 0;
  for (const PairedEpisodes& seed : seeds) {
    PRECIPICE_CHECK(seed.first >= 0 && seed.second >= 0 && seed.first_steps > 0 && seed.second_steps > 0, seed.first,
                    " ", seed.second, " ", seed.first_steps, " ", seed.second_steps);
    first += seed.first, total += seed.first + seed.second;
  }
  RateRatio result;
  jackknife(seeds, confidence, result);
  result.ratio = kNaN, result.interval = {0, kInfinity}, result.clumping_p = kNaN;
  if (total == 0) return result;
  const double tail = (1 - confidence) / 2;
  const RateTails at_one = rate_tails(seeds, 1, first);
  result.p = std::min(1.0, 2 * std::min(at_one.lower, at_one.upper));
  if (first > 0)
    result.interval.low = root_of([&](double ratio) { return rate_tails(seeds, ratio, first).upper - tail; });
  if (first < total)
    result.interval.high = root_of([&](double ratio) { return tail - rate_tails(seeds, ratio, first).lower; });
  if (first == 0) return result.ratio = 0, result;
  if (first == total) return result.ratio = kInfinity, result;
  result.ratio = root_of([&](double ratio) { return expected_first(seeds, ratio) - static_cast<double>(first); });
  result.clumping_p = clumping_p_of(seeds, result.ratio);
  result.is_clumped = result.clumping_p < kClumped;
  return result;
}

}  // namespace precipice
