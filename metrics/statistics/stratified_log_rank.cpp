// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/stratified_log_rank.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr double kMaxWays = 1e5;           // of one seed
constexpr std::size_t kMaxSums = 1 << 22;  // different values of U

struct RankedRun {
  SurvivalTime time;
  bool is_first;
};

struct Score {
  double u = 0, variance = 0;
};

// U and its variance for runs that are sorted by time.
Score score_of(std::span<const RankedRun> runs) {
  Score score;
  double n = static_cast<double>(runs.size()), first = 0;
  for (const RankedRun& run : runs) first += run.is_first;
  for (std::size_t i = 0; i < runs.size();) {
    double events = 0, first_events = 0, leaving = 0, first_leaving = 0;
    for (const double time = runs[i].time.time; i < runs.size() && runs[i].time.time == time; ++i) {
      events += runs[i].time.event, first_events += runs[i].time.event && runs[i].is_first;
      ++leaving, first_leaving += runs[i].is_first;
    }
    score.u += first_events - events * first / n;
    if (n > 1) score.variance += events * (n - events) / (n - 1) * first / n * (1 - first / n);
    n -= leaving, first -= first_leaving;
  }
  return score;
}

double ways_to_choose(std::size_t n, std::size_t k) {
  double ways = 1;
  for (std::size_t i = 0; i < k; ++i) ways *= static_cast<double>(n - i) / static_cast<double>(i + 1);
  return ways;
}

// Sums that are equal but for rounding are one: U is a sum of fractions whose differences are far above 1e-9.
std::int64_t key_of(double u) {
  return std::llround(u * 1e9);
}

using ScoreDistribution = std::map<std::int64_t, double>;

ScoreDistribution ways_of(std::vector<RankedRun> runs) {
  ScoreDistribution ways;
  std::vector<char> labels;
  for (const RankedRun& run : runs) labels.push_back(run.is_first);
  std::sort(labels.begin(), labels.end());
  double count = 0;
  do {
    for (std::size_t i = 0; i < runs.size(); ++i) runs[i].is_first = labels[i] != 0;
    ++ways[key_of(score_of(runs).u)], ++count;
  } while (std::next_permutation(labels.begin(), labels.end()));
  for (auto& [u, weight] : ways) weight /= count;
  return ways;
}

ScoreDistribution sum_of(const ScoreDistribution& a, const ScoreDistribution& b) {
  ScoreDistribution sum;
  for (const auto& [u, p] : a)
    for (const auto& [v, q] : b) sum[u + v] += p * q;
  return sum;
}

}  // namespace

StratifiedLogRank stratified_log_rank(std::span<const SurvivalStratum> strata) {
  StratifiedLogRank result;
  double variance = 0;
  std::int64_t seen = 0;
  ScoreDistribution all{{0, 1.0}};
  for (const SurvivalStratum& stratum : strata) {
    std::vector<RankedRun> runs;
    for (const SurvivalTime& time : stratum.first) runs.push_back({time, true});
    for (const SurvivalTime& time : stratum.second) runs.push_back({time, false});
    std::sort(runs.begin(), runs.end(),
              [](const RankedRun& a, const RankedRun& b) { return a.time.time < b.time.time; });
    const Score score = score_of(runs);
    result.u += score.u, variance += score.variance, seen += key_of(score.u);
    if (!result.exact) continue;
    if (ways_to_choose(runs.size(), stratum.first.size()) > kMaxWays) {
      result.exact = false;
      continue;
    }
    const ScoreDistribution ways = ways_of(std::move(runs));
    result.informative += ways.size() > 1;
    all = sum_of(all, ways);
    result.exact = all.size() <= kMaxSums;
  }
  result.chi_squared_p = variance > 0 ? chi_squared_tail(result.u * result.u / variance, 1) : kNaN;
  if (!result.exact || variance == 0) return result.p = result.chi_squared_p, result;
  // Each seed's sum was rounded by half a unit at most: what is that near to |U| is as extreme.
  const auto slack = static_cast<std::int64_t>(strata.size());
  result.p = 0;
  for (const auto& [u, probability] : all)
    if (std::abs(u) >= std::abs(seen) - slack) result.p += probability;
  result.p = std::min(1.0, result.p);
  return result;
}

}  // namespace precipice
