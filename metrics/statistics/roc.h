// SPDX-License-Identifier: Apache-2.0
// How well a score tells cases (runs that will diverge) from controls. AUC = mean over pairs of psi: 1 where the case's
// score is higher, 1/2 for a tie, 0 otherwise. DeLong, DeLong, Clarke-Pearson 1988:
//   V10_i = mean_j psi_ij, V01_j = mean_i psi_ij, var AUC = S10 / m + S01 / n with their sample variances.
// psi may be any function of one case and one control (a U-statistic of degree 1, 1): also scores compared at a step
// that belongs to the case, and pairs that cannot be compared, which are left out of all means.
// Where all runs of a group do alike (every pair told apart, or all scores tied) the variance is 0, which is no
// certainty: the interval is then Newcombe's score interval (2006, method 5), which needs no variance of the sample.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "metrics/statistics/distributions.h"

namespace precipice {

// psi of every pair, row-major (case, control); NaN: not comparable.
struct PairTable {
  std::size_t cases = 0, controls = 0;
  std::vector<double> psi;
};
PairTable compare_pairs(std::span<const double> cases, std::span<const double> controls);

struct Auc {
  double value = 0;  // NaN without a comparable pair
  // What each run adds: V10_i - AUC and V01_j - AUC, each weighted by its share of the comparable pairs; runs without
  // one are left out.
  std::vector<double> of_cases, of_controls;
  double standard_error = 0;  // NaN with fewer than two cases or controls
  bool is_complete = true;    // every case was compared with every control
};
Auc auc_of_pairs(const PairTable& pairs);
Auc auc_of_scores(std::span<const double> cases, std::span<const double> controls);  // O(N log N); no NaN

struct AucInterval {
  Interval interval;   // cut at 0 and 1; NaN where there is no standard error
  std::string method;  // "DeLong", "Newcombe", "none"
};
// Wald interval with the normal quantile, as usual; `small_sample` takes Student's t with min(m, n) - 1 degrees.
AucInterval auc_interval(const Auc& auc, bool small_sample = false, double confidence = kConfidence);
// Two-sided p of AUC = 1/2: DeLong's z or t. For a separation the share of permutations that separate, 2 / C(m + n, m),
// or Newcombe's variance at 1/2 where not every pair was compared.
double auc_p_value(const Auc& auc, bool small_sample = false);

struct AucComparison {
  double difference = 0;  // a - b over the pairs that both can compare
  Interval interval;      // NaN where the difference has no variance: the sample does not say how far it may be off
  double p = 1;           // NaN there too, unless the difference is 0
};
// Paired: the same cases and controls in the same order. DeLong's covariance, through the differences of the parts.
AucComparison compare_auc(const PairTable& a, const PairTable& b, bool small_sample = false,
                          double confidence = kConfidence);

// Average precision: sum over falling thresholds of precision times the gain in recall (Davis and Goadrich 2006: no
// straight lines in between); runs of equal score enter together. A weight per control: 1, or its share where one
// control is compared at several steps. The value of a score that says nothing is cases / (cases + controls).
double average_precision(std::span<const double> cases, std::span<const double> controls,
                         std::span<const double> control_weights = {});

}  // namespace precipice
