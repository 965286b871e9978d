// SPDX-License-Identifier: Apache-2.0
// Runs of one seed share initial weights and batches, so two formats are compared by their differences d_i within
// seeds: t = (mean d - null) / (s / sqrt(n)) with n - 1 degrees of freedom (Student 1908), s the sample deviation.
// Equivalence (Schuirmann 1987, two one-sided tests): both of H0: d <= low and H0: d >= high are rejected at the level
// alpha exactly where the interval of confidence 1 - 2 alpha lies inside (low, high).
#pragma once

#include <cstdint>
#include <span>

#include "metrics/statistics/distributions.h"

namespace precipice {

struct PairedT {
  std::int64_t n = 0;        // pairs
  double mean = 0;           // NaN for none
  double deviation = 0;      // of the differences; NaN for fewer than two
  Interval interval;         // of the mean; NaN for fewer than two pairs
  double p = 1;              // two-sided, of mean = null; NaN for fewer than two pairs
  bool is_constant = false;  // all differences are the same number: each seed is shifted by exactly `mean`
};
// Where all differences are one number there is no spread to test with: the interval is that number, and p is 1 where it
// is the null and 0 elsewhere. Differences are finite: a pair with a run that diverged has none in nats.
PairedT paired_t(std::span<const double> differences, double null = 0, double confidence = kConfidence);

struct Equivalence {
  PairedT test;             // its interval has the confidence 1 - 2 alpha, its p is of mean = 0
  double p_low = 1;         // one-sided, of H0: mean <= low
  double p_high = 1;        // one-sided, of H0: mean >= high
  double p = 1;             // the larger of both
  bool is_inside = false;   // the interval lies inside the margins: equivalent
  bool is_outside = false;  // it lies wholly beyond one of them: not equivalent
};
// low < high; alpha is each one-sided test's.
Equivalence equivalence_test(std::span<const double> differences, const Interval& margins, double alpha = 0.05);

// Power of the two-sided paired t test for a true mean that is `effect` standard deviations of the differences away from
// the null; 0 for fewer than two pairs.
double paired_t_power(double effect, std::int64_t pairs, double level = 0.05);
// The least number of pairs with that power; -1 where it is more than kMaxSeeds (power.h) or the effect is 0.
std::int64_t pairs_for_means(double effect, double power = 0.8, double level = 0.05);

}  // namespace precipice
