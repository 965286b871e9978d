// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/ranks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "metrics/statistics/distributions.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

// P(|W - mean| >= |w - mean|) over all choices of `chosen` of the ranks, W their sum: how many choices give each sum.
double exact_p(const std::vector<std::size_t>& ranks, std::size_t chosen, std::size_t w) {
  const std::size_t total = std::accumulate(ranks.begin(), ranks.end(), std::size_t{0});
  std::vector<std::vector<double>> ways(chosen + 1, std::vector<double>(total + 1, 0.0));
  ways[0][0] = 1;
  for (const std::size_t rank : ranks)
    for (std::size_t count = chosen; count-- > 0;)
      for (std::size_t sum = 0; sum + rank <= total; ++sum) ways[count + 1][sum + rank] += ways[count][sum];
  // Sums stand for doubled ranks; compared with their mean, chosen * total / N, without a division.
  const auto distance = [&](std::size_t sum) {
    return std::abs(static_cast<double>(sum * ranks.size()) - static_cast<double>(chosen * total));
  };
  double all = 0, extreme = 0;
  for (std::size_t sum = 0; sum <= total; ++sum) {
    all += ways[chosen][sum];
    if (distance(sum) >= distance(w)) extreme += ways[chosen][sum];
  }
  return extreme / all;
}

double normal_p(std::vector<std::size_t> ranks, double n, double m, double u) {
  std::sort(ranks.begin(), ranks.end());
  double ties = 0;
  for (std::size_t first = 0, last = 0; first < ranks.size(); first = last) {
    while (last < ranks.size() && ranks[last] == ranks[first]) ++last;
    const auto t = static_cast<double>(last - first);
    ties += t * t * t - t;
  }
  const double all = n + m;
  const double variance = n * m / 12 * (all + 1 - ties / (all * (all - 1)));
  if (variance <= 0) return 1;
  return two_sided_normal_p(std::max(0.0, std::abs(u - n * m / 2) - 0.5) / std::sqrt(variance));
}

}  // namespace

std::vector<std::size_t> doubled_midranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size()), ranks(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
    for (std::size_t i = first; i < last; ++i) ranks[order[i]] = first + last + 1;
  }
  return ranks;
}

MannWhitney mann_whitney(std::span<const double> x, std::span<const double> y) {
  std::vector<double> values(x.begin(), x.end());
  values.insert(values.end(), y.begin(), y.end());
  PRECIPICE_CHECK(std::none_of(values.begin(), values.end(), [](double v) { return std::isnan(v); }));
  if (x.empty() || y.empty()) return {kNaN, kNaN, kNaN, false};
  const std::vector<std::size_t> ranks = doubled_midranks(values);
  const std::size_t w =
      std::accumulate(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(x.size()), std::size_t{0});
  const auto n = static_cast<double>(x.size()), m = static_cast<double>(y.size());
  MannWhitney result;
  result.u = static_cast<double>(w) / 2 - n * (n + 1) / 2;
  result.superiority = result.u / (n * m);
  result.exact = values.size() <= kMaxExact;
  result.p = result.exact ? exact_p(ranks, x.size(), w) : normal_p(ranks, n, m, result.u);
  return result;
}

}  // namespace precipice
