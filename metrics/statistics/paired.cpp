// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/paired.h"

#include <algorithm>
#include <cmath>

#include "metrics/statistics/power.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

bool all_equal(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); });
}

// P(T >= t) of the mean against the null: how small it is speaks for a mean above the null.
double upper_p(const PairedT& test, double null) {
  if (test.n < 2) return kNaN;
  if (test.is_constant) return test.mean > null ? 0 : 1;
  const double t = (test.mean - null) / (test.deviation / std::sqrt(static_cast<double>(test.n)));
  const double half = two_sided_student_p(t, static_cast<double>(test.n - 1)) / 2;
  return t > 0 ? half : 1 - half;
}

}  // namespace

PairedT paired_t(std::span<const double> differences, double null, double confidence) {
  PRECIPICE_CHECK(std::all_of(differences.begin(), differences.end(), [](double d) { return std::isfinite(d); }));
  PairedT result;
  result.n = static_cast<std::int64_t>(differences.size());
  const auto n = static_cast<double>(differences.size());
  result.interval = {kNaN, kNaN}, result.deviation = result.p = result.mean = kNaN;
  if (differences.empty()) return result;
  // About the first difference: a mean of equal numbers is that number, and no digit of a small spread is lost.
  double sum = 0, squares = 0;
  for (const double d : differences) sum += d - differences.front();
  const double shift = sum / n;
  result.mean = differences.front() + shift;
  if (result.n < 2) return result;
  for (const double d : differences) squares += std::pow(d - differences.front() - shift, 2);
  result.is_constant = all_equal(differences);
  result.deviation = result.is_constant ? 0 : std::sqrt(squares / (n - 1));
  const double error = result.deviation / std::sqrt(n);
  const double reach = result.is_constant ? 0 : two_sided_student_quantile(confidence, n - 1) * error;
  result.interval = {result.mean - reach, result.mean + reach};
  if (result.is_constant)
    result.p = result.mean == null ? 1 : 0;
  else
    result.p = two_sided_student_p((result.mean - null) / error, n - 1);
  return result;
}

Equivalence equivalence_test(std::span<const double> differences, const Interval& margins, double alpha) {
  PRECIPICE_CHECK(margins.low < margins.high && alpha > 0 && alpha < 0.5, margins.low, " ", margins.high, " ", alpha);
  Equivalence result;
  result.test = paired_t(differences, 0, 1 - 2 * alpha);
  const double below_high = upper_p(result.test, margins.high);
  result.p_low = upper_p(result.test, margins.low);
  result.p_high = result.test.is_constant ? (result.test.mean < margins.high ? 0 : 1) : 1 - below_high;
  result.p = std::isnan(result.p_low) ? kNaN : std::max(result.p_low, result.p_high);
  const Interval& interval = result.test.interval;  // comparisons with NaN are false
  result.is_inside = interval.low > margins.low && interval.high < margins.high;
  result.is_outside = interval.high < margins.low || interval.low > margins.high;
  return result;
}

double paired_t_power(double effect, std::int64_t pairs, double level) {
  if (pairs < 2) return 0;
  const auto degrees = static_cast<double>(pairs - 1);
  const double critical = two_sided_student_quantile(1 - level, degrees);
  return two_sided_noncentral_t_power(degrees, std::abs(effect) * std::sqrt(static_cast<double>(pairs)), critical);
}

std::int64_t pairs_for_means(double effect, double power, double level) {
  if (effect == 0 || paired_t_power(effect, kMaxSeeds, level) < power) return -1;
  std::int64_t too_few = 1, enough = kMaxSeeds;  // the power rises with the pairs
  while (enough - too_few > 1) {
    const std::int64_t middle = (enough + too_few) / 2;
    (paired_t_power(effect, middle, level) >= power ? enough : too_few) = middle;
  }
  return enough;
}

}  // namespace precipice
