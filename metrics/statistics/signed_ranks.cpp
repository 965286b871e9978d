// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/signed_ranks.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "metrics/statistics/bootstrap.h"
#include "metrics/statistics/ranks.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

void check_numbers(std::span<const double> differences) {
  PRECIPICE_CHECK(std::none_of(differences.begin(), differences.end(), [](double d) { return std::isnan(d); }));
}

// Probability of each sum of a random half of these whole numbers: each enters with probability 1/2.
std::vector<double> sums_of_random_halves(std::span<const std::size_t> numbers) {
  std::vector<double> probability{1.0};
  for (const std::size_t number : numbers) {
    std::vector<double> next(probability.size() + number, 0.0);
    for (std::size_t sum = 0; sum < probability.size(); ++sum) {
      next[sum] += probability[sum] / 2;
      next[sum + number] += probability[sum] / 2;
    }
    probability = std::move(next);
  }
  return probability;
}

double exact_signed_p(std::span<const std::size_t> ranks, std::size_t w) {
  const std::vector<double> probability = sums_of_random_halves(ranks);
  const std::size_t total = probability.size() - 1, nearer = std::min(w, total - w);
  // Symmetric about total / 2: both tails are the lower one twice.
  const double tail =
      std::accumulate(probability.begin(), probability.begin() + static_cast<std::ptrdiff_t>(nearer) + 1, 0.0);
  return std::min(1.0, 2 * tail);
}

double normal_signed_p(std::span<const std::size_t> ranks, std::size_t w) {
  double mean = 0, variance = 0;
  for (const std::size_t rank : ranks) {
    const double r = static_cast<double>(rank) / 2;
    mean += r / 2, variance += r * r / 4;
  }
  return two_sided_normal_p(std::max(0.0, std::abs(static_cast<double>(w) / 2 - mean) - 0.5) / std::sqrt(variance));
}

}  // namespace

double two_sided_sign_p(std::int64_t positive, std::int64_t negative) {
  PRECIPICE_CHECK(positive >= 0 && negative >= 0, positive, " ", negative);
  const std::int64_t n = positive + negative, fewer = std::min(positive, negative);
  double tail = 0;
  for (std::int64_t k = 0; k <= fewer; ++k) {
    const auto x = static_cast<double>(k), y = static_cast<double>(n - k);
    tail += std::exp(std::lgamma(x + y + 1) - std::lgamma(x + 1) - std::lgamma(y + 1) - (x + y) * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

SignTest sign_test(std::span<const double> differences) {
  check_numbers(differences);
  SignTest result;
  for (const double d : differences) ++(d > 0 ? result.positive : d < 0 ? result.negative : result.zeros);
  result.p = two_sided_sign_p(result.positive, result.negative);
  return result;
}

SignedRankTest signed_rank_test(std::span<const double> differences) {
  check_numbers(differences);
  std::vector<double> sizes;
  for (const double d : differences) sizes.push_back(std::abs(d));
  const std::vector<std::size_t> all_ranks = doubled_midranks(sizes);
  std::vector<std::size_t> ranks;
  SignedRankTest result;
  std::size_t w = 0;
  for (std::size_t i = 0; i < differences.size(); ++i) {
    if (differences[i] == 0) {
      ++result.zeros;
      continue;
    }
    ranks.push_back(all_ranks[i]);
    if (differences[i] > 0) w += all_ranks[i];
  }
  result.w_plus = static_cast<double>(w) / 2;
  result.exact = ranks.size() <= kMaxExactPairs;
  if (!ranks.empty()) result.p = result.exact ? exact_signed_p(ranks, w) : normal_signed_p(ranks, w);
  return result;
}

HodgesLehmann hodges_lehmann(std::span<const double> differences, double confidence) {
  check_numbers(differences);
  std::vector<double> walsh;
  for (std::size_t i = 0; i < differences.size(); ++i)
    for (std::size_t j = i; j < differences.size(); ++j) walsh.push_back(differences[i] / 2 + differences[j] / 2);
  HodgesLehmann result{kNaN, {kNaN, kNaN}};
  // An average of +inf and -inf has no place in the order, so neither has the middle.
  if (walsh.empty() || std::any_of(walsh.begin(), walsh.end(), [](double w) { return std::isnan(w); })) return result;
  std::sort(walsh.begin(), walsh.end());
  result.estimate = sorted_quantile(walsh, 0.5);
  std::vector<std::size_t> ranks(differences.size());
  std::iota(ranks.begin(), ranks.end(), std::size_t{1});
  const std::vector<double> probability = sums_of_random_halves(ranks);
  double below = 0;
  std::size_t k = 0;
  while (k < walsh.size() / 2 && below + probability[k] <= (1 - confidence) / 2) below += probability[k++];
  if (k > 0) result.interval = {walsh[k - 1], walsh[walsh.size() - k]};
  return result;
}

double least_exact_p(std::int64_t pairs) {
  return pairs <= 0 ? 1 : std::ldexp(1.0, static_cast<int>(1 - pairs));
}

}  // namespace precipice
