// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/power.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "metrics/statistics/distributions.h"
#include "metrics/statistics/proportions.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::int64_t kRunOfGood = 8;

std::vector<double> binomial(std::int64_t n, double p) {
  std::vector<double> probabilities;
  for (std::int64_t k = 0; k <= n; ++k) {
    const auto x = static_cast<double>(k), y = static_cast<double>(n - k);
    // 0 log 0 = 0: p = 0 and p = 1 have one outcome.
    const double of_events = k == 0 ? 0 : x * std::log(p), of_others = k == n ? 0 : y * std::log1p(-p);
    probabilities.push_back(
        std::exp(std::lgamma(x + y + 1) - std::lgamma(x + 1) - std::lgamma(y + 1) + of_events + of_others));
  }
  return probabilities;
}

template <class Enough>
std::int64_t least_seeds(std::int64_t start, Enough enough) {
  std::int64_t n = std::clamp<std::int64_t>(start, 2, kMaxSeeds);
  while (n > 2 && enough(n)) n = std::max<std::int64_t>(2, n - std::max<std::int64_t>(kRunOfGood, n / 8));
  std::int64_t good = 0;
  for (; n <= kMaxSeeds && good < kRunOfGood; ++n) good = enough(n) ? good + 1 : 0;
  return good > 0 ? n - good : -1;
}

}  // namespace

double fisher_power(double p, double q, std::int64_t n, double level) {
  PRECIPICE_CHECK(p >= 0 && p <= 1 && q >= 0 && q <= 1 && n >= 0, p, " ", q, " ", n);
  const std::vector<double> of_p = binomial(n, p), of_q = binomial(n, q);
  double power = 0;
  for (std::int64_t events = 0; events <= 2 * n; ++events) {
    const std::int64_t first = std::max<std::int64_t>(0, events - n);
    const std::vector<double> p_values = fisher_p_values(hypergeometric(n, n, events));
    for (std::size_t i = 0; i < p_values.size(); ++i) {
      const std::size_t k = static_cast<std::size_t>(first) + i;
      if (p_values[i] <= level) power += of_p[k] * of_q[static_cast<std::size_t>(events) - k];
    }
  }
  return power;
}

double t_test_power(double effect, std::int64_t n, double level) {
  if (n < 2) return 0;
  const double degrees = 2 * static_cast<double>(n) - 2;
  const double critical = two_sided_student_quantile(1 - level, degrees);
  return two_sided_noncentral_t_power(degrees, std::abs(effect) * std::sqrt(static_cast<double>(n) / 2), critical);
}

std::int64_t seeds_for_proportions(double p, double q, double power, double level) {
  if (p == q) return -1;
  // The search starts at the arcsine approximation (Cohen 1988, section 6.4).
  const double h = 2 * std::abs(std::asin(std::sqrt(p)) - std::asin(std::sqrt(q)));
  const double z = two_sided_normal_quantile(1 - level) + normal_quantile(power);
  const double guess = 2 * z * z / (h * h);
  if (guess > 2.0 * kMaxSeeds) return -1;
  return least_seeds(static_cast<std::int64_t>(guess),
                     [&](std::int64_t n) { return fisher_power(p, q, n, level) >= power; });
}

std::int64_t seeds_for_means(double effect, double power, double level) {
  if (effect == 0) return -1;
  return least_seeds(2, [&](std::int64_t n) { return t_test_power(effect, n, level) >= power; });
}

double detectable_proportion(double base, std::int64_t n, double power, double level) {
  for (int percent = 1; percent <= 100; ++percent) {
    const double other = percent / 100.0;
    if (other > base && fisher_power(base, other, n, level) >= power) return other;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

double detectable_effect(std::int64_t n, double power, double level) {
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  int hundredths = 1;
  while (t_test_power(hundredths / 100.0, n, level) < power) ++hundredths;
  return hundredths / 100.0;
}

}  // namespace precipice
