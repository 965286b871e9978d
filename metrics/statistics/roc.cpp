// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/roc.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "metrics/statistics/ranks.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr double kNoVariance = 1e-12;  // a standard error below it is the rounding of sums

// Deviations have the weighted mean 0, so their sum of squares needs no centring.
double variance_of_mean(std::span<const double> deviations) {
  const auto n = static_cast<double>(deviations.size());
  if (n < 2) return kNaN;
  const double mean = std::accumulate(deviations.begin(), deviations.end(), 0.0) / n;
  double squares = 0;
  for (const double d : deviations) squares += (d - mean) * (d - mean);
  return squares / (n - 1) / n;
}

void set_standard_error(Auc& auc) {
  auc.standard_error = std::sqrt(variance_of_mean(auc.of_cases) + variance_of_mean(auc.of_controls));
}

// A run without any comparable pair is no part of the sample. The others' sums become means over their pairs.
void keep_used(std::vector<double>& deviations, const std::vector<bool>& is_used) {
  std::vector<double> kept;
  for (std::size_t i = 0; i < deviations.size(); ++i)
    if (is_used[i]) kept.push_back(deviations[i]);
  for (double& d : kept) d *= static_cast<double>(kept.size());
  deviations = std::move(kept);
}

double degrees_of(const Auc& auc) {
  return static_cast<double>(std::min(auc.of_cases.size(), auc.of_controls.size())) - 1;
}

double reach(double degrees, bool small_sample, double confidence) {
  return small_sample ? two_sided_student_quantile(confidence, degrees) : two_sided_normal_quantile(confidence);
}

double p_value(double t, double degrees, bool small_sample) {
  return small_sample ? two_sided_student_p(t, degrees) : two_sided_normal_p(t);
}

// Newcombe 2006, Statistics in Medicine 25:559, method 5: |AUC - a| = z sqrt(v(a)),
// v(a) = a (1 - a) (1 + k (1 - a) / (2 - a) + k a / (1 + a)) / (m n), k = (m + n) / 2 - 1.
double newcombe_variance(double a, double m, double n) {
  const double k = (m + n) / 2 - 1;
  return a * (1 - a) * (1 + k * (1 - a) / (2 - a) + k * a / (1 + a)) / (m * n);
}

// The root of value - a = z sqrt(v(a)) below the value, by bisection: the difference falls as a rises.
double newcombe_low(double value, double m, double n, double z) {
  double low = 0, high = value;
  for (int i = 0; i < 100; ++i) {
    const double a = (low + high) / 2;
    (value - a > z * std::sqrt(newcombe_variance(a, m, n)) ? low : high) = a;
  }
  return low;
}

Interval newcombe_interval(double value, double m, double n, double z) {
  // v(1 - a) = v(a): the upper end mirrors the lower one of the opposite score.
  return {newcombe_low(value, m, n, z), 1 - newcombe_low(1 - value, m, n, z)};
}

bool is_separated(const Auc& auc) {
  return auc.standard_error == 0 && (auc.value == 0 || auc.value == 1);
}

}  // namespace

PairTable compare_pairs(std::span<const double> cases, std::span<const double> controls) {
  PairTable pairs{cases.size(), controls.size(), {}};
  for (const double x : cases)
    for (const double y : controls)
      pairs.psi.push_back(std::isnan(x) || std::isnan(y) ? kNaN : x > y ? 1 : x < y ? 0 : 0.5);
  return pairs;
}

Auc auc_of_pairs(const PairTable& pairs) {
  PRECIPICE_CHECK(pairs.psi.size() == pairs.cases * pairs.controls, pairs.psi.size());
  Auc auc{kNaN, std::vector<double>(pairs.cases), std::vector<double>(pairs.controls), kNaN, true};
  double sum = 0, count = 0;
  for (const double psi : pairs.psi)
    if (!std::isnan(psi)) sum += psi, ++count;
  if (count == 0) return auc;
  auc.value = sum / count;
  std::vector<bool> is_used[] = {std::vector<bool>(pairs.cases), std::vector<bool>(pairs.controls)};
  for (std::size_t i = 0; i < pairs.cases; ++i)
    for (std::size_t j = 0; j < pairs.controls; ++j) {
      const double psi = pairs.psi[i * pairs.controls + j];
      if (std::isnan(psi)) continue;
      is_used[0][i] = is_used[1][j] = true;
      auc.of_cases[i] += (psi - auc.value) / count;
      auc.of_controls[j] += (psi - auc.value) / count;
    }
  keep_used(auc.of_cases, is_used[0]);
  keep_used(auc.of_controls, is_used[1]);
  auc.is_complete = count == static_cast<double>(auc.of_cases.size()) * static_cast<double>(auc.of_controls.size());
  set_standard_error(auc);
  // The rounding of the sums above is no variance.
  if (sum == 0 || sum == count) auc.standard_error *= 0;
  return auc;
}

Auc auc_of_scores(std::span<const double> cases, std::span<const double> controls) {
  const std::size_t m = cases.size(), n = controls.size();
  Auc auc{kNaN, std::vector<double>(m), std::vector<double>(n), kNaN, true};
  if (m == 0 || n == 0) return auc;
  std::vector<double> all(cases.begin(), cases.end());
  all.insert(all.end(), controls.begin(), controls.end());
  PRECIPICE_CHECK(std::none_of(all.begin(), all.end(), [](double v) { return std::isnan(v); }));
  // V10_i = (rank among all - rank among cases) / n, V01_j = 1 - (rank among all - rank among controls) / m.
  const auto ranks = doubled_midranks(all), of_cases = doubled_midranks(cases),
             of_controls = doubled_midranks(controls);
  double wins = 0;
  for (std::size_t i = 0; i < m; ++i) {
    const double above = static_cast<double>(ranks[i] - of_cases[i]) / 2;
    wins += above;
    auc.of_cases[i] = above / static_cast<double>(n);
  }
  auc.value = wins / (static_cast<double>(m) * static_cast<double>(n));
  for (std::size_t j = 0; j < n; ++j)
    auc.of_controls[j] = 1 - static_cast<double>(ranks[m + j] - of_controls[j]) / 2 / static_cast<double>(m);
  for (double& v : auc.of_cases) v -= auc.value;
  for (double& v : auc.of_controls) v -= auc.value;
  set_standard_error(auc);
  return auc;
}

AucInterval auc_interval(const Auc& auc, bool small_sample, double confidence) {
  if (std::isnan(auc.standard_error)) return {{kNaN, kNaN}, "none"};
  const double q = reach(degrees_of(auc), small_sample, confidence);
  if (auc.standard_error < kNoVariance)
    return {newcombe_interval(auc.value, static_cast<double>(auc.of_cases.size()),
                              static_cast<double>(auc.of_controls.size()), q),
            "Newcombe"};
  return {{std::max(0.0, auc.value - q * auc.standard_error), std::min(1.0, auc.value + q * auc.standard_error)},
          "DeLong"};
}

double auc_p_value(const Auc& auc, bool small_sample) {
  if (std::isnan(auc.standard_error)) return kNaN;
  double error = auc.standard_error;
  if (is_separated(auc) && auc.is_complete) {
    const auto m = static_cast<double>(auc.of_cases.size()), n = static_cast<double>(auc.of_controls.size());
    return std::min(1.0, 2 * std::exp(std::lgamma(m + 1) + std::lgamma(n + 1) - std::lgamma(m + n + 1)));
  }
  if (error < kNoVariance)
    error = std::sqrt(
        newcombe_variance(0.5, static_cast<double>(auc.of_cases.size()), static_cast<double>(auc.of_controls.size())));
  return p_value((auc.value - 0.5) / error, degrees_of(auc), small_sample);
}

AucComparison compare_auc(const PairTable& a, const PairTable& b, bool small_sample, double confidence) {
  PRECIPICE_CHECK(a.cases == b.cases && a.controls == b.controls, a.cases, " and ", b.cases);
  PairTable both_a = a, both_b = b;
  for (std::size_t i = 0; i < both_a.psi.size(); ++i)
    if (std::isnan(a.psi[i]) || std::isnan(b.psi[i])) both_a.psi[i] = both_b.psi[i] = kNaN;
  const Auc of_a = auc_of_pairs(both_a), of_b = auc_of_pairs(both_b);
  Auc difference{of_a.value - of_b.value, of_a.of_cases, of_a.of_controls, kNaN, true};
  // Both tables have the same pairs by now, so the same runs are left in them.
  for (std::size_t i = 0; i < of_b.of_cases.size(); ++i) difference.of_cases[i] -= of_b.of_cases[i];
  for (std::size_t j = 0; j < of_b.of_controls.size(); ++j) difference.of_controls[j] -= of_b.of_controls[j];
  set_standard_error(difference);
  AucComparison result{difference.value, {kNaN, kNaN}, kNaN};
  if (std::isnan(difference.value) || std::isnan(difference.standard_error)) return result;
  if (difference.standard_error < kNoVariance) {
    if (difference.value == 0) result.p = 1;
    return result;
  }
  const double half = reach(degrees_of(difference), small_sample, confidence) * difference.standard_error;
  result.interval = {difference.value - half, difference.value + half};
  result.p = p_value(difference.value / difference.standard_error, degrees_of(difference), small_sample);
  return result;
}

double average_precision(std::span<const double> cases, std::span<const double> controls,
                         std::span<const double> control_weights) {
  PRECIPICE_CHECK(control_weights.empty() || control_weights.size() == controls.size(), control_weights.size());
  if (cases.empty()) return kNaN;
  struct Scored {
    double score, hit, miss;
  };
  std::vector<Scored> scored;
  for (const double score : cases) scored.push_back({score, 1, 0});
  for (std::size_t j = 0; j < controls.size(); ++j)
    scored.push_back({controls[j], 0, control_weights.empty() ? 1 : control_weights[j]});
  std::sort(scored.begin(), scored.end(), [](const Scored& a, const Scored& b) { return a.score > b.score; });
  double hits = 0, misses = 0, sum = 0;
  for (std::size_t i = 0; i < scored.size();) {
    const double before = hits, score = scored[i].score;
    for (; i < scored.size() && scored[i].score == score; ++i) hits += scored[i].hit, misses += scored[i].miss;
    if (hits > before) sum += (hits - before) * hits / (hits + misses);
  }
  return sum / static_cast<double>(cases.size());
}

}  // namespace precipice
