// SPDX-License-Identifier: Apache-2.0
// Tests of paired differences that ask for no distribution, beside Student's t (paired.h) and deciding nothing.
//   sign test (Arbuthnott 1710): of n pairs that differ k are positive; exact binomial, two-sided
//   Wilcoxon 1945, signed ranks: W+ = sum of the ranks of |d| over d > 0. Zeros by Pratt 1959: they are ranked with the
//     others and then left out. Exact: all 2^n signs of the pairs that differ, ties at their midranks.
//   Hodges and Lehmann 1963: the median of the n (n + 1) / 2 Walsh averages (d_i + d_j) / 2, i <= j; its interval lies
//     between the K-th smallest and K-th largest of them, K the largest with P(W+ <= K - 1) <= alpha / 2
// None of the p values can be below 2^(1 - n) for n pairs that differ, and the interval of confidence 0.95 does not exist
// below n = 6. A pair whose first run alone diverged has d = +inf, whose second alone d = -inf, both d = 0: diverged
// runs are the worst, and alike.
#pragma once

#include <cstdint>
#include <span>

#include "metrics/statistics/distributions.h"

namespace precipice {

struct SignTest {
  std::int64_t positive = 0, negative = 0, zeros = 0;
  double p = 1;  // two-sided; 1 where no pair differs
};
SignTest sign_test(std::span<const double> differences);  // no NaN

// P(X <= min(k, n - k)) twice, at most 1, of a binomial X with n trials and p = 1/2.
double two_sided_sign_p(std::int64_t positive, std::int64_t negative);

struct SignedRankTest {
  double w_plus = 0;  // with Pratt's ranks
  std::int64_t zeros = 0;
  double p = 1;  // two-sided; 1 where no pair differs
  bool exact = true;
};
inline constexpr std::size_t kMaxExactPairs = 200;  // beyond: the normal approximation with the ties' variance
SignedRankTest signed_rank_test(std::span<const double> differences);  // no NaN

struct HodgesLehmann {
  double estimate = 0;  // NaN for no pairs, and where +inf meets -inf in the middle
  Interval interval;    // NaN where the pairs are too few for the confidence
};
HodgesLehmann hodges_lehmann(std::span<const double> differences, double confidence = kConfidence);

// The least p that the exact tests can give with so many pairs that differ: 2^(1 - n), 1 for none.
double least_exact_p(std::int64_t pairs);

}  // namespace precipice
