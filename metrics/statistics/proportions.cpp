// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/proportions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr double kEqualProbability = 1 + 1e-7;

void check(const Count& count) {
  PRECIPICE_CHECK(count.events >= 0 && count.events <= count.trials, count.events, " of ", count.trials);
}

double fraction(const Count& count) {
  return static_cast<double>(count.events) / static_cast<double>(count.trials);
}

}  // namespace

Interval wilson_interval(const Count& count, double confidence) {
  check(count);
  if (count.trials == 0) return {0, 1};
  const double n = static_cast<double>(count.trials), p = fraction(count);
  const double z = two_sided_normal_quantile(confidence), zz = z * z;
  const double centre = p + zz / (2 * n), half = z * std::sqrt(p * (1 - p) / n + zz / (4 * n * n));
  // The ends are exactly 0 and 1 there; the subtraction would leave a few 1e-17.
  return {count.events == 0 ? 0 : (centre - half) / (1 + zz / n),
          count.events == count.trials ? 1 : (centre + half) / (1 + zz / n)};
}

Interval jeffreys_interval(const Count& count, double confidence) {
  check(count);
  if (count.trials == 0) return {0, 1};
  const double a = static_cast<double>(count.events) + 0.5, b = static_cast<double>(count.trials - count.events) + 0.5;
  const double tail = (1 - confidence) / 2;
  return {count.events == 0 ? 0 : beta_quantile(a, b, tail),
          count.events == count.trials ? 1 : beta_quantile(a, b, 1 - tail)};
}

Difference newcombe_difference(const Count& a, const Count& b, double confidence) {
  check(a), check(b);
  if (a.trials == 0 || b.trials == 0) return {std::numeric_limits<double>::quiet_NaN(), {-1, 1}};
  const double p = fraction(a), q = fraction(b);
  const Interval of_a = wilson_interval(a, confidence), of_b = wilson_interval(b, confidence);
  return {p - q, {p - q - std::hypot(p - of_a.low, of_b.high - q), p - q + std::hypot(of_a.high - p, q - of_b.low)}};
}

std::vector<double> hypergeometric(std::int64_t trials_a, std::int64_t trials_b, std::int64_t events) {
  PRECIPICE_CHECK(trials_a >= 0 && trials_b >= 0 && events >= 0 && events <= trials_a + trials_b, events);
  const std::int64_t first = std::max<std::int64_t>(0, events - trials_b), last = std::min(events, trials_a);
  std::vector<double> weights(static_cast<std::size_t>(last - first + 1), 1.0);
  // Ratios of neighbours from the mode outwards: nothing overflows, and no logarithm of a factorial loses digits.
  const double mode = (static_cast<double>(trials_a) + 1) * (static_cast<double>(events) + 1) /
                      (static_cast<double>(trials_a + trials_b) + 2);
  const std::int64_t middle = std::clamp(static_cast<std::int64_t>(mode), first, last);
  const auto ratio = [&](std::int64_t x) {  // P(x + 1) / P(x)
    return static_cast<double>(trials_a - x) * static_cast<double>(events - x) /
           (static_cast<double>(x + 1) * static_cast<double>(trials_b - events + x + 1));
  };
  for (std::int64_t x = middle; x < last; ++x)
    weights[static_cast<std::size_t>(x + 1 - first)] = weights[static_cast<std::size_t>(x - first)] * ratio(x);
  for (std::int64_t x = middle; x > first; --x)
    weights[static_cast<std::size_t>(x - 1 - first)] = weights[static_cast<std::size_t>(x - first)] / ratio(x - 1);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= total;
  return weights;
}

std::vector<double> fisher_p_values(const std::vector<double>& probabilities) {
  std::vector<double> sorted = probabilities, sums(probabilities.size()), p_values;
  std::sort(sorted.begin(), sorted.end());
  std::partial_sum(sorted.begin(), sorted.end(), sums.begin());
  for (const double probability : probabilities) {
    const auto end = std::upper_bound(sorted.begin(), sorted.end(), probability * kEqualProbability);
    p_values.push_back(std::min(1.0, sums[static_cast<std::size_t>(end - sorted.begin()) - 1]));
  }
  return p_values;
}

double fisher_exact(const Count& a, const Count& b) {
  check(a), check(b);
  const std::int64_t events = a.events + b.events;
  const std::int64_t first = std::max<std::int64_t>(0, events - b.trials);
  return fisher_p_values(hypergeometric(a.trials, b.trials, events))[static_cast<std::size_t>(a.events - first)];
}

}  // namespace precipice
