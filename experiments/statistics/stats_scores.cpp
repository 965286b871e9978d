// SPDX-License-Identifier: Apache-2.0
// scores: areas under ROC curves, DeLong's test of each pair.
#include <cmath>

#include "experiments/statistics/stats_parts.h"
#include "metrics/statistics/ranks.h"

namespace precipice {
namespace {

constexpr std::size_t kMaxComparedPairs = 25'000'000;  // cases times controls in a paired comparison

struct ScoreSummary {
  AucSummary auc;  // with the exact test's p
  double average_precision;
};

struct ScorePair {
  double difference;
  Interval interval;
  double p;
  std::string reason;
};

template <class Visit>
void visit_fields(const ScoreSummary& summary, const Visit& visit) {
  visit_fields(summary.auc, visit);
  visit("test", "Mann-Whitney");
  visit("average_precision", summary.average_precision);
}

template <class Visit>
void visit_fields(const ScorePair& pair, const Visit& visit) {
  visit("difference", pair.difference);
  visit("interval", pair.interval);
  visit("test", "DeLong, paired");
  visit("p", pair.p);
  visit_reason(pair.reason, visit);
}

struct Scores {
  std::vector<double> cases, controls;
};

ScorePair compare_scores(const Scores& a, const Scores& b, double confidence) {
  ScorePair pair{kNaN, {kNaN, kNaN}, kNaN, ""};
  if (a.cases.size() != b.cases.size() || a.controls.size() != b.controls.size()) {
    pair.reason = "not the same runs: the numbers of cases or controls differ";
  } else if (a.cases.size() * a.controls.size() > kMaxComparedPairs) {
    pair.reason = "more than 25,000,000 pairs";
  } else {
    const AucComparison comparison =
        compare_auc(compare_pairs(a.cases, a.controls), compare_pairs(b.cases, b.controls), false, confidence);
    pair.difference = comparison.difference, pair.interval = comparison.interval, pair.p = comparison.p;
    if (a.cases.size() < 2 || a.controls.size() < 2)
      pair.reason = "n too small: needs two cases and two controls";
    else if (std::isnan(comparison.interval.low))
      pair.reason = comparison.difference == 0 ? "both scores order the runs alike: the difference has no variance"
                                               : "the difference has no variance";
  }
  return pair;
}

}  // namespace

Json answer_scores(const StatsInput& part, const StatsRequest& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<Scores> scores;
  GroupAnswers<ScoreSummary, ScorePair> answer;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "cases", "controls"});
    scores.push_back({element.at("cases").numbers(true), element.at("controls").numbers(true)});
    const Scores& own = scores.back();
    ScoreSummary summary{summary_of(auc_of_scores(own.cases, own.controls), false, request.confidence),
                         average_precision(own.cases, own.controls)};
    // Of a score per run the exact test is at hand; DeLong's z is far too sure of itself for a handful of runs.
    summary.auc.p = mann_whitney(own.cases, own.controls).p;
    answer.groups.push_back({names[answer.groups.size()], summary});
  }
  answer.pairs = all_pairs(
      names, [&](std::size_t a, std::size_t b) { return compare_scores(scores[a], scores[b], request.confidence); });
  return statistics_json(answer);
}

}  // namespace precipice
