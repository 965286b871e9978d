// SPDX-License-Identifier: Apache-2.0
// AUC against pair counting and scikit-learn; DeLong's variance against the jackknife and simulation.
#include "metrics/statistics/roc.h"

#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "tests/metrics/statistics/golden.h"

namespace precipice {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> normals(std::mt19937_64& random, std::size_t count, double mean) {
  std::normal_distribution<double> normal(mean, 1);
  std::vector<double> values(count);
  for (double& v : values) v = normal(random);
  return values;
}

double counted_auc(std::span<const double> cases, std::span<const double> controls, std::ptrdiff_t without_case = -1,
                   std::ptrdiff_t without_control = -1) {
  double won = 0, pairs = 0;
  for (std::ptrdiff_t i = 0; i < std::ssize(cases); ++i)
    for (std::ptrdiff_t j = 0; j < std::ssize(controls); ++j) {
      if (i == without_case || j == without_control) continue;
      const double x = cases[static_cast<std::size_t>(i)], y = controls[static_cast<std::size_t>(j)];
      ++pairs, won += x > y ? 1 : x == y ? 0.5 : 0;
    }
  return won / pairs;
}

// Two-sample jackknife: (m-1)/m sum (A_(i) - mean)^2 + the same over controls; equal to DeLong's variance, since the
// AUC without case i is (m A - V10_i) / (m - 1).
double jackknife_error(const std::vector<double>& cases, const std::vector<double>& controls) {
  const auto part = [](const std::vector<double>& left_out) {
    const auto n = static_cast<double>(left_out.size());
    double mean = 0, squares = 0;
    for (const double a : left_out) mean += a / n;
    for (const double a : left_out) squares += (a - mean) * (a - mean);
    return (n - 1) / n * squares;
  };
  std::vector<double> by_case, by_control;
  for (std::ptrdiff_t i = 0; i < std::ssize(cases); ++i) by_case.push_back(counted_auc(cases, controls, i, -1));
  for (std::ptrdiff_t j = 0; j < std::ssize(controls); ++j) by_control.push_back(counted_auc(cases, controls, -1, j));
  return std::sqrt(part(by_case) + part(by_control));
}

}  // namespace

TEST_CASE("AUC and average precision agree with scikit-learn and with counted pairs") {
  for (const auto& row : statistics_golden()["scores"]) {
    const auto cases = numbers(row["cases"]), controls = numbers(row["controls"]);
    CHECK(auc_of_scores(cases, controls).value == same(row["auc"]));
    CHECK(auc_of_scores(cases, controls).value == same(counted_auc(cases, controls)));
    CHECK(average_precision(cases, controls) == same(row["average_precision"]));
  }
}

TEST_CASE("by ranks and by pairs the AUC has the same parts and the same error") {
  std::mt19937_64 random(3);
  const auto cases = normals(random, 9, 0.7), controls = normals(random, 14, 0);
  const Auc by_ranks = auc_of_scores(cases, controls), by_pairs = auc_of_pairs(compare_pairs(cases, controls));
  CHECK(by_ranks.value == same(by_pairs.value));
  CHECK(by_ranks.standard_error == same(by_pairs.standard_error));
  for (std::size_t i = 0; i < cases.size(); ++i) CHECK(by_ranks.of_cases[i] == same(by_pairs.of_cases[i]));
  for (std::size_t j = 0; j < controls.size(); ++j) CHECK(by_ranks.of_controls[j] == same(by_pairs.of_controls[j]));
}

TEST_CASE("DeLong's standard error is the jackknife's") {
  std::mt19937_64 random(4);
  for (int trial = 0; trial < 20; ++trial) {
    const auto cases = normals(random, 3 + static_cast<std::size_t>(trial), 0.5), controls = normals(random, 12, 0);
    CHECK(auc_of_scores(cases, controls).standard_error == same(jackknife_error(cases, controls)));
  }
}

TEST_CASE("four scores by hand have AUC 3/4 and variance 1/8") {
  // Cases 3, 1; controls 2, 0. psi: (3,2) 1, (3,0) 1, (1,2) 0, (1,0) 1. V10 = 1, 1/2; V01 = 1/2, 1.
  // S10 = S01 = 1/8, variance 1/16 + 1/16.
  const Auc auc = auc_of_scores(std::vector<double>{3, 1}, std::vector<double>{2, 0});
  CHECK(auc.value == 0.75);
  CHECK(auc.standard_error == same(std::sqrt(0.125)));
  CHECK(auc_interval(auc).method == "DeLong");
  CHECK(auc_interval(auc).interval.high == 1);
  CHECK(auc_interval(auc).interval.low == same(0.75 - 1.959963984540054 * std::sqrt(0.125)));
}

TEST_CASE("the paired comparison is the jackknife of the difference") {
  std::mt19937_64 random(6);
  const auto cases = normals(random, 12, 1), controls = normals(random, 15, 0);
  auto other_cases = normals(random, 12, 0.3), other_controls = normals(random, 15, 0);
  for (std::size_t i = 0; i < cases.size(); ++i) other_cases[i] += 0.8 * cases[i];  // correlated, as two signals are
  for (std::size_t j = 0; j < controls.size(); ++j) other_controls[j] += 0.8 * controls[j];
  const AucComparison comparison =
      compare_auc(compare_pairs(cases, controls), compare_pairs(other_cases, other_controls));
  CHECK(comparison.difference == same(counted_auc(cases, controls) - counted_auc(other_cases, other_controls)));
  double variance = 0;
  for (const bool by_case : {true, false}) {
    std::vector<double> left_out;
    const std::ptrdiff_t n = by_case ? std::ssize(cases) : std::ssize(controls);
    double mean = 0, squares = 0;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const std::ptrdiff_t a = by_case ? i : -1, b = by_case ? -1 : i;
      left_out.push_back(counted_auc(cases, controls, a, b) - counted_auc(other_cases, other_controls, a, b));
      mean += left_out.back() / static_cast<double>(n);
    }
    for (const double d : left_out) squares += (d - mean) * (d - mean);
    variance += static_cast<double>(n - 1) / static_cast<double>(n) * squares;
  }
  const double half = (comparison.interval.high - comparison.interval.low) / 2;
  CHECK(half == same(1.959963984540054 * std::sqrt(variance)));
}

TEST_CASE("a signal compared with itself differs by nothing, and two separations cannot be compared") {
  const auto pairs = compare_pairs(std::vector<double>{3, 4, 1}, std::vector<double>{1, 2, 0});
  CHECK(compare_auc(pairs, pairs).p == 1);
  CHECK(std::isnan(compare_auc(pairs, pairs).interval.low));  // five runs do not show that they never differ
  const auto all = compare_pairs(std::vector<double>{5, 6}, std::vector<double>{1, 2});
  const auto none = compare_pairs(std::vector<double>{1, 1}, std::vector<double>{1, 1});
  CHECK(compare_auc(all, none).difference == 0.5);
  CHECK(std::isnan(compare_auc(all, none).p));
}

TEST_CASE("the interval of two separated groups is wide where the groups are small") {
  const auto low_end = [](std::size_t n) {
    const Auc auc = auc_of_scores(std::vector<double>(n, 1.0), std::vector<double>(n, 0.0));
    CHECK(auc.value == 1);
    CHECK(auc_interval(auc).method == "Newcombe");
    const double a = auc_interval(auc).interval.low, m = static_cast<double>(n), k = m - 1;
    // The end satisfies the defining equation.
    const double variance = a * (1 - a) * (1 + k * (1 - a) / (2 - a) + k * a / (1 + a)) / (m * m);
    CHECK(1 - a == Approx(1.959963984540054 * std::sqrt(variance)).epsilon(1e-9));
    return a;
  };
  CHECK(low_end(3) < low_end(10));
  CHECK(low_end(10) < low_end(40));
  // Two of the C(6, 3) = 20 ways to call three of six values cases separate them.
  const Auc three = auc_of_scores(std::vector<double>(3, 1.0), std::vector<double>(3, 0.0));
  CHECK(auc_p_value(three) == same(0.1));
  CHECK(auc_p_value(auc_of_pairs({3, 3, {1, 1, 1, 1, kNan, 1, 1, 1, 1}}), true) > 0.1);
  const Auc reversed = auc_of_scores(std::vector<double>(5, 0.0), std::vector<double>(5, 1.0));
  CHECK(auc_interval(reversed).interval.low == 0);
  CHECK(auc_interval(reversed).interval.high < 0.5);
}

TEST_CASE("scores that are all tied are no certainty of an AUC of 1/2") {
  for (const bool by_pairs : {false, true}) {
    const std::vector<double> cases(5, 2.0), controls(7, 2.0);
    const Auc auc = by_pairs ? auc_of_pairs(compare_pairs(cases, controls)) : auc_of_scores(cases, controls);
    CHECK(auc.value == 0.5);
    const AucInterval found = auc_interval(auc);
    CHECK(found.method == "Newcombe");
    CHECK(found.interval.low + found.interval.high == same(1));
    // Both ends solve (AUC - a)^2 = z^2 v(a).
    for (const double a : {found.interval.low, found.interval.high}) {
      const double k = 6 - 1, variance = a * (1 - a) * (1 + k * (1 - a) / (2 - a) + k * a / (1 + a)) / (5 * 7);
      CHECK(std::abs(0.5 - a) == Approx(1.959963984540054 * std::sqrt(variance)).epsilon(1e-9));
    }
    CHECK(found.interval.high > 0.7);
    CHECK(auc_p_value(auc) == 1);
    CHECK(auc_p_value(auc, true) == 1);
    CHECK(auc_interval(auc, true).interval.high > found.interval.high);
  }
}

TEST_CASE("pairs that cannot be compared are left out, and too few runs have no interval") {
  const std::vector<double> cases{2, kNan}, controls{1, 3};
  const Auc auc = auc_of_pairs(compare_pairs(cases, controls));
  CHECK(auc.value == 0.5);
  CHECK(std::isnan(auc_of_pairs(compare_pairs(std::vector<double>{kNan}, controls)).value));
  // Runs that compare with nobody change neither value nor error.
  const std::vector<double> more_cases{4, 1, 2.5, kNan}, few_cases{4, 1, 2.5}, more_controls{1, kNan, 3, 2};
  const std::vector<double> few_controls{1, 3, 2};
  CHECK(auc_of_pairs(compare_pairs(more_cases, more_controls)).standard_error ==
        same(auc_of_pairs(compare_pairs(few_cases, few_controls)).standard_error));
  const Auc one = auc_of_scores(std::vector<double>{2}, controls);
  CHECK(auc_interval(one).method == "none");
  CHECK(std::isnan(auc_p_value(one)));
  CHECK(std::isnan(auc_of_scores({}, controls).value));
}

TEST_CASE("noise is called a signal in no more than about 5 percent of small sweeps") {
  std::mt19937_64 random(9);
  constexpr int kTrials = 4000;
  for (const auto& [m, n] : {std::pair{5, 5}, {5, 20}, {10, 30}, {30, 30}}) {
    int called = 0;
    for (int trial = 0; trial < kTrials; ++trial)
      called += auc_p_value(auc_of_scores(normals(random, static_cast<std::size_t>(m), 0),
                                          normals(random, static_cast<std::size_t>(n), 0)),
                            true) < 0.05;
    INFO(m << " cases, " << n << " controls: " << called);
    CHECK(called < kTrials * 0.07);
    CHECK(called > 0);
  }
}

TEST_CASE("average precision of a score that says nothing is the share of cases, and weights count as controls") {
  CHECK(average_precision(std::vector<double>{1, 1}, std::vector<double>{1, 1, 1, 1}) == same(1.0 / 3));
  CHECK(average_precision(std::vector<double>{2, 1}, std::vector<double>{1.5, 0}) == same((1 + 2.0 / 3) / 2));
  const std::vector<double> half{0.5, 0.5, 0.5, 0.5};
  CHECK(average_precision(std::vector<double>{2, 1}, std::vector<double>{1.5, 0, 1.5, 0}, half) ==
        same((1 + 2.0 / 3) / 2));
  CHECK(std::isnan(average_precision({}, std::vector<double>{1})));
}

}  // namespace precipice
