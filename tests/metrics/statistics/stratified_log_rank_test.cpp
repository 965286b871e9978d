// SPDX-License-Identifier: Apache-2.0
// The stratified log-rank statistic against statsmodels, its exact p against all ways to call the runs.
#include "metrics/statistics/stratified_log_rank.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "metrics/statistics/signed_ranks.h"
#include "tests/metrics/statistics/golden.h"

namespace precipice {
namespace {

std::vector<SurvivalStratum> strata_of(const nlohmann::json& row) {
  std::map<int, SurvivalStratum> strata;
  for (std::size_t i = 0; i < row["times"].size(); ++i) {
    SurvivalStratum& stratum = strata[row["seed"][i]];
    (row["arm"][i] == 0 ? stratum.first : stratum.second).push_back({row["times"][i], row["events"][i] == 1});
  }
  std::vector<SurvivalStratum> list;
  for (const auto& [seed, stratum] : strata) list.push_back(stratum);
  return list;
}

// |U| of every way to call the runs of both seeds, each seed on its own.
double all_ways_p(const std::vector<SurvivalStratum>& strata) {
  std::vector<double> sums{0};
  for (const SurvivalStratum& stratum : strata) {
    std::vector<SurvivalTime> runs = stratum.first;
    runs.insert(runs.end(), stratum.second.begin(), stratum.second.end());
    std::vector<double> next;
    std::vector<int> chosen(runs.size(), 0);
    std::fill(chosen.end() - static_cast<std::ptrdiff_t>(stratum.first.size()), chosen.end(), 1);
    do {
      SurvivalStratum called;
      for (std::size_t i = 0; i < runs.size(); ++i) (chosen[i] == 1 ? called.first : called.second).push_back(runs[i]);
      const std::vector<std::vector<SurvivalTime>> groups{called.first, called.second};
      const LogRank one = log_rank(groups);
      const double u = one.observed[0] - one.expected[0];
      for (const double sum : sums) next.push_back(sum + u);
    } while (std::next_permutation(chosen.begin(), chosen.end()));
    sums = next;
  }
  const double seen = std::abs(stratified_log_rank(strata).u);
  const auto extreme = std::count_if(sums.begin(), sums.end(), [&](double u) { return std::abs(u) >= seen - 1e-7; });
  return static_cast<double>(extreme) / static_cast<double>(sums.size());
}

}  // namespace

TEST_CASE("the stratified log-rank's chi^2 is statsmodels'") {
  for (const auto& row : statistics_golden()["stratified_survival"])
    CHECK(stratified_log_rank(strata_of(row)).chi_squared_p == same(row["p"]));
}

TEST_CASE("the exact p is the share of all ways to call the runs of each seed") {
  const std::vector<std::vector<SurvivalStratum>> samples{
      {{{{5, true}, {9, true}}, {{12, true}, {30, false}}}, {{{7, true}}, {{7, true}, {8, true}, {20, false}}}},
      {{{{1, true}, {2, true}, {3, true}}, {{4, true}, {5, true}, {6, false}}}},
      {{{{9, false}}, {{4, true}}}, {{{9, false}}, {{3, true}}}, {{{9, false}}, {{9, false}}}},
  };
  for (const auto& strata : samples) {
    const StratifiedLogRank test = stratified_log_rank(strata);
    CHECK(test.exact);
    CHECK(test.p == same(all_ways_p(strata)));
  }
}

TEST_CASE("with one run per format and seed it is the sign test of who diverged first") {
  std::vector<SurvivalStratum> strata;
  for (int seed = 0; seed < 4; ++seed) strata.push_back({{{10.0 + seed, true}}, {{50, false}}});
  CHECK(stratified_log_rank(strata).p == same(0.125));
  CHECK(stratified_log_rank(strata).chi_squared_p == Approx(0.0455).margin(5e-5));
  CHECK(stratified_log_rank(strata).informative == 4);
  CHECK(stratified_log_rank(strata).u == 2);
  strata.push_back({{{50, false}}, {{50, false}}});  // nobody diverged: says nothing
  CHECK(stratified_log_rank(strata).p == same(0.125));
  for (const auto& row : statistics_golden()["stratified_survival"]) {
    const std::vector<SurvivalStratum> pairs = strata_of(row);
    if (pairs.front().first.size() != 1) continue;
    std::int64_t first = 0, second = 0;
    for (const SurvivalStratum& s : pairs) {
      const SurvivalTime a = s.first.front(), b = s.second.front();
      if (a.event && (a.time < b.time || (a.time == b.time && !b.event))) ++first;
      if (b.event && (b.time < a.time || (a.time == b.time && !a.event))) ++second;
    }
    CHECK(stratified_log_rank(pairs).p == same(two_sided_sign_p(first, second)));
  }
}

TEST_CASE("without an event, or with one format alone, nothing is compared") {
  CHECK(std::isnan(stratified_log_rank({}).p));
  const std::vector<SurvivalStratum> nobody{{{{9, false}}, {{9, false}}}};
  CHECK(std::isnan(stratified_log_rank(nobody).p));
  const std::vector<SurvivalStratum> one_format{{{{9, true}}, {}}};
  CHECK(std::isnan(stratified_log_rank(one_format).p));
}

TEST_CASE("a seed with too many runs to count all ways says that its p is chi^2's") {
  SurvivalStratum large;
  for (int i = 0; i < 20; ++i) {
    large.first.push_back({1.0 + 2 * i, true});
    large.second.push_back({2.0 + 2 * i, true});
  }
  const std::vector<SurvivalStratum> strata{large};
  CHECK_FALSE(stratified_log_rank(strata).exact);
  CHECK(stratified_log_rank(strata).p == stratified_log_rank(strata).chi_squared_p);
}

}  // namespace precipice
