// SPDX-License-Identifier: Apache-2.0
// values: means and medians with bootstrap intervals, the Mann-Whitney test of each pair.
#include <cmath>

#include "experiments/statistics/stats_parts.h"
#include "metrics/statistics/ranks.h"

namespace precipice {
namespace {

struct ValueSummary {
  std::size_t n;
  double mean, median;
  std::string reason;  // of these
  BootstrapSummary bootstrap;
};

template <class Visit>
void visit_fields(const ValueSummary& summary, const Visit& visit) {
  visit("n", summary.n);
  visit("mean", summary.mean);
  visit("median", summary.median);
  visit_bootstrap(summary.reason, summary.bootstrap, visit);
}

ValueSummary summary_of_values(const std::vector<double>& values, const StatsRequest& request) {
  const Bootstrap mean = bootstrap_mean(values, request.bootstrap());
  const std::span<const double> groups[] = {values};
  ValueSummary summary{values.size(), mean.estimate, median_of(values), "", summary_of(mean, groups)};
  if (values.empty()) {
    summary.reason = "no values";
    return summary;
  }
  if (std::isnan(summary.mean)) summary.reason = "inf and -inf meet in the mean";
  if (std::isnan(summary.median)) summary.reason = joined_reasons(summary.reason, "inf and -inf meet in the median");
  return summary;
}

}  // namespace

Json answer_values(const StatsInput& part, const StatsRequest& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<std::vector<double>> values;
  GroupAnswers<ValueSummary, ValuePair> answer;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "values"});
    values.push_back(element.at("values").numbers(true));
    answer.groups.push_back({names[answer.groups.size()], summary_of_values(values.back(), request)});
  }
  answer.pairs = all_pairs(
      names, [&](std::size_t a, std::size_t b) { return compare(values[a], values[b], request.bootstrap()); });
  return statistics_json(answer);
}

}  // namespace precipice
