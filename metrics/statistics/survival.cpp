// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/survival.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

struct Tally {
  std::vector<std::int64_t> events, leaving;  // per group; leaving counts events and censorings
};

std::map<double, Tally> tally(std::span<const std::vector<SurvivalTime>> groups) {
  std::map<double, Tally> times;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const SurvivalTime& run : groups[g]) {
      PRECIPICE_CHECK(run.time >= 0, run.time);
      Tally& at = times[run.time];
      at.events.resize(groups.size()), at.leaving.resize(groups.size());
      at.events[g] += run.event;
      ++at.leaving[g];
    }
  }
  return times;
}

// All of `runs` came through, or none.
double one_sided_end(std::int64_t runs, double confidence) {
  return std::pow((1 - confidence) / 2, 1 / static_cast<double>(runs));
}

Interval log_log_interval(double survival, double variance, double confidence) {
  const double reach = two_sided_normal_quantile(confidence) * std::sqrt(variance) / std::abs(std::log(survival));
  return {std::pow(survival, std::exp(reach)), std::pow(survival, std::exp(-reach))};
}

// x' A^-1 x for a symmetric positive semi-definite A (row-major, n x n), by elimination with pivots on the diagonal; a
// direction without variance adds nothing. `rank` counts the directions with variance.
double quadratic_form(std::vector<double> a, std::vector<double> x, std::size_t& rank) {
  constexpr double kNoPivot = 1e-12;
  const std::size_t n = x.size();
  double value = 0, largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, a[i * n + i]);
  for (std::size_t i = 0; i < n; ++i) {
    const double pivot = a[i * n + i];
    if (pivot <= kNoPivot * largest) continue;
    ++rank;
    value += x[i] * x[i] / pivot;
    for (std::size_t r = i + 1; r < n; ++r) {
      const double factor = a[r * n + i] / pivot;
      for (std::size_t c = i; c < n; ++c) a[r * n + c] -= factor * a[i * n + c];
      x[r] -= factor * x[i];
    }
  }
  return value;
}

}  // namespace

std::vector<SurvivalPoint> kaplan_meier(std::span<const SurvivalTime> times, double confidence) {
  const std::vector<std::vector<SurvivalTime>> groups{{times.begin(), times.end()}};
  std::vector<SurvivalPoint> curve;
  auto at_risk = static_cast<std::int64_t>(times.size());
  std::int64_t since_censoring = at_risk;
  double survival = 1, variance = 0;
  for (const auto& [time, at] : tally(groups)) {
    const double n = static_cast<double>(at_risk), d = static_cast<double>(at.events[0]);
    survival *= 1 - d / n;
    if (d > 0) variance += d / (n * (n - d));  // infinite where all are gone, and S = 0
    const Interval interval = survival <= 0   ? Interval{0, 1 - one_sided_end(since_censoring, confidence)}
                              : variance == 0 ? Interval{one_sided_end(at_risk, confidence), 1}
                                              : log_log_interval(survival, variance, confidence);
    curve.push_back({time, at_risk, at.events[0], at.leaving[0] - at.events[0], survival, interval});
    at_risk -= at.leaving[0];
    if (at.leaving[0] > at.events[0]) since_censoring = at_risk;
  }
  return curve;
}

double median_survival(std::span<const SurvivalPoint> curve) {
  // 0.5 reached by a product of fractions may come out an ulp or two above.
  for (const SurvivalPoint& point : curve)
    if (point.survival <= 0.5 + 1e-12) return point.time;
  return kNaN;
}

LogRank log_rank(std::span<const std::vector<SurvivalTime>> groups) {
  const std::size_t k = groups.size();
  LogRank result;
  result.observed.assign(k, 0), result.expected.assign(k, 0);
  if (k < 2) return result.p = kNaN, result;
  std::vector<double> at_risk, variance((k - 1) * (k - 1), 0.0);
  for (const auto& group : groups) at_risk.push_back(static_cast<double>(group.size()));
  for (const auto& [time, at] : tally(groups)) {
    double n = 0, d = 0;
    for (std::size_t g = 0; g < k; ++g) n += at_risk[g], d += static_cast<double>(at.events[g]);
    for (std::size_t g = 0; g < k; ++g) {
      result.observed[g] += static_cast<double>(at.events[g]);
      result.expected[g] += d * at_risk[g] / n;
    }
    const double spread = n > 1 ? d * (n - d) / (n - 1) : 0;
    for (std::size_t r = 0; r + 1 < k; ++r)
      for (std::size_t c = 0; c + 1 < k; ++c)
        variance[r * (k - 1) + c] += spread * at_risk[r] / n * ((r == c ? 1.0 : 0.0) - at_risk[c] / n);
    for (std::size_t g = 0; g < k; ++g) at_risk[g] -= static_cast<double>(at.leaving[g]);
  }
  std::vector<double> excess;
  for (std::size_t g = 0; g + 1 < k; ++g) excess.push_back(result.observed[g] - result.expected[g]);
  std::size_t rank = 0;
  result.chi_squared = quadratic_form(variance, excess, rank);
  result.degrees = static_cast<double>(rank);
  result.p = rank > 0 ? chi_squared_tail(result.chi_squared, result.degrees) : kNaN;
  return result;
}

}  // namespace precipice
