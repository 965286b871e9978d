// SPDX-License-Identifier: Apache-2.0
// Survival curves and the log-rank test against published data, lifelines, and values worked out by hand.
#include "metrics/statistics/survival.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "precision/base/check.h"
#include "tests/metrics/statistics/golden.h"

namespace precipice {
namespace {

std::vector<SurvivalTime> runs(std::initializer_list<double> events, std::initializer_list<double> censored) {
  std::vector<SurvivalTime> times;
  for (const double t : events) times.push_back({t, true});
  for (const double t : censored) times.push_back({t, false});
  return times;
}

// Weeks in remission of 42 children with leukaemia (Freireich et al. 1963), the textbook example of both methods.
const auto kTreated = runs({6, 6, 6, 7, 10, 13, 16, 22, 23}, {6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35});
const auto kPlacebo = runs({1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23}, {});

}  // namespace

TEST_CASE("the leukaemia data give the published survival, its median and the log-rank chi-squared of 16.79") {
  const auto curve = kaplan_meier(kTreated);
  // Products of whole fractions: 18/21, 16/17, 14/15, 11/12, 10/11, 6/7, 5/6 of those at risk.
  double survival = 1;
  std::size_t seen = 0;
  for (const auto& [time, left, of] : {std::tuple{6., 18., 21.},
                                       {7., 16., 17.},
                                       {10., 14., 15.},
                                       {13., 11., 12.},
                                       {16., 10., 11.},
                                       {22., 6., 7.},
                                       {23., 5., 6.}}) {
    survival *= left / of;
    for (const SurvivalPoint& point : curve) {
      if (point.time != time) continue;
      CHECK(std::abs(point.survival - survival) < 1e-15);  // ten roundings near 1
      ++seen;
    }
  }
  CHECK(seen == 7);
  CHECK(median_survival(curve) == 23);
  CHECK(median_survival(kaplan_meier(kPlacebo)) == 8);
  const std::vector<std::vector<SurvivalTime>> groups{kTreated, kPlacebo};
  const LogRank test = log_rank(groups);
  CHECK(std::round(100 * test.chi_squared) / 100 == 16.79);  // Kleinbaum and Klein, Survival Analysis, ch. 2
  CHECK(std::round(100 * test.expected[0]) / 100 == 19.25);
  CHECK(std::round(100 * test.expected[1]) / 100 == 10.75);
  CHECK(test.degrees == 1);
}

TEST_CASE("curves, intervals and log-rank tests agree with lifelines") {
  for (const auto& row : statistics_golden()["survival"]) {
    std::vector<SurvivalTime> all;
    std::vector<std::vector<SurvivalTime>> groups;
    for (std::size_t i = 0; i < row["times"].size(); ++i) {
      all.push_back({row["times"][i], row["events"][i]});
      const std::size_t group = row["group"][i];
      groups.resize(std::max(groups.size(), group + 1));
      groups[group].push_back(all.back());
    }
    const auto curve = kaplan_meier(all);
    REQUIRE(curve.size() == row["at"].size());
    for (std::size_t i = 0; i < curve.size(); ++i) {
      INFO("time " << curve[i].time);
      CHECK(curve[i].time == row["at"][i].get<double>());
      CHECK(curve[i].survival == same(row["survival"][i]));
      if (curve[i].survival == 0 || curve[i].survival == 1) continue;  // conventions differ there; ours is tested below
      CHECK(curve[i].interval.low == same(row["low"][i]));
      CHECK(curve[i].interval.high == same(row["high"][i]));
    }
    const LogRank test = log_rank(groups);
    CHECK(test.chi_squared == same(row["chi_squared"]));
    CHECK(test.p == same(row["p"]));
  }
}

// The ends solve p^n = alpha / 2 and (1 - p)^n = alpha / 2, which is what Clopper and Pearson ask for at n and 0 of n.
TEST_CASE("at 1 and at 0 the curve has the exact interval of the runs that are seen there") {
  const auto curve = kaplan_meier(runs({5, 9}, {3}));
  REQUIRE(curve.size() == 3);
  CHECK(curve[0].survival == 1);
  CHECK(std::pow(curve[0].interval.low, 3) == same(0.025));  // three runs came through step 3
  CHECK(curve[0].interval.high == 1);
  CHECK(curve[1].survival == 0.5);
  CHECK(curve[2].survival == 0);
  CHECK(curve[2].interval.low == 0);
  CHECK(std::pow(1 - curve[2].interval.high, 2) == same(0.025));  // two at risk since the censoring at 3, none left
  const auto all = kaplan_meier(runs({5, 9, 9, 12}, {}));
  CHECK(std::pow(1 - all.back().interval.high, 4) == same(0.025));
}

TEST_CASE("three runs that came through are no certainty, and a lower confidence asks for less") {
  const auto curve = kaplan_meier(runs({}, {400, 400, 400}));
  REQUIRE(curve.size() == 1);
  CHECK(curve[0].survival == 1);
  CHECK(curve[0].interval.low == same(0.29240177382128663));                                         // 0.025^(1/3)
  CHECK(kaplan_meier(runs({}, {400, 400, 400}), 0.5)[0].interval.low == same(0.62996052494743658));  // 0.25^(1/3)
}

// The truth lies in the interval at least as often as its confidence says, at any chance of an event: counted over all
// outcomes of n runs that can end at one step only.
TEST_CASE("the intervals at 0 and at all events hold at least as often as they say") {
  for (const int n : {2, 3, 8})
    for (const double truth : {0.02, 0.3, 0.7, 0.98}) {
      const std::vector<SurvivalTime> through(static_cast<std::size_t>(n), {7.0, false}),
          fallen(static_cast<std::size_t>(n), {7.0, true});
      const Interval none = kaplan_meier(through)[0].interval, all = kaplan_meier(fallen)[0].interval;
      const double missed =
          (truth < none.low ? std::pow(truth, n) : 0) + (truth > all.high ? std::pow(1 - truth, n) : 0);
      CHECK(missed <= 0.05);
      CHECK(none.low > 0);
      CHECK(all.high < 1);
    }
}

TEST_CASE("a run censored at the step of an event was still at risk there") {
  const auto curve = kaplan_meier(runs({10}, {10, 10, 10}));
  REQUIRE(curve.size() == 1);
  CHECK(curve[0].at_risk == 4);
  CHECK(curve[0].survival == 0.75);
}

TEST_CASE("a median that is met exactly is found in spite of rounded products") {
  // 9/10 8/9 7/8 6/7 5/6 is 1/2 on paper and 0.5 plus an ulp or so in double.
  CHECK(median_survival(kaplan_meier(runs({1, 2, 3, 4, 5}, {6, 6, 6, 6, 6}))) == 5);
  CHECK(std::isnan(median_survival(kaplan_meier(runs({1}, {2, 2})))));
}

TEST_CASE("where there is nothing to compare the log-rank test has no p") {
  CHECK(kaplan_meier({}).empty());
  for (const auto& groups :
       {std::vector<std::vector<SurvivalTime>>{}, {runs({1}, {})}, {runs({}, {5, 6}), runs({}, {7})}, {{}, {}}})
    CHECK(std::isnan(log_rank(groups).p));
  CHECK_THROWS_AS(kaplan_meier(runs({-1}, {})), ContractError);
  CHECK_THROWS_AS(kaplan_meier(runs({std::nan("")}, {})), ContractError);
}

TEST_CASE("an empty group does not change the comparison of the others") {
  const std::vector<std::vector<SurvivalTime>> two{kTreated, kPlacebo}, three{kTreated, {}, kPlacebo};
  CHECK(log_rank(three).degrees == 1);
  CHECK(log_rank(three).p == same(log_rank(two).p));
}

}  // namespace precipice
