// SPDX-License-Identifier: Apache-2.0
// survival: Kaplan-Meier curves, log-rank tests of each pair and of all groups.
#include "experiments/statistics/stats_parts.h"

namespace precipice {
namespace {

struct SurvivalPart {
  GroupAnswers<SurvivalSummary, LogRankSummary> each;
  LogRankSummary all;
};

template <class Visit>
void visit_fields(const SurvivalPart& part, const Visit& visit) {
  visit("groups", part.each.groups);
  visit("all", part.all);
  visit("pairs", part.each.pairs);
}

std::vector<SurvivalTime> read_survival_times(const StatsInput& element) {
  element.allow_keys({"name", "times", "events"});
  const std::vector<StatsInput> times = element.at("times").elements(), events = element.at("events").elements();
  if (times.size() != events.size()) element.at("events").refuse("must have one entry per time");
  std::vector<SurvivalTime> runs;
  for (std::size_t i = 0; i < times.size(); ++i)
    runs.push_back({times[i].number(0, kLargestNumber), events[i].boolean()});
  return runs;
}

}  // namespace

Json answer_survival(const StatsInput& part, const StatsRequest& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<std::vector<SurvivalTime>> runs;
  SurvivalPart answer;
  for (const StatsInput& element : elements) {
    runs.push_back(read_survival_times(element));
    answer.each.groups.push_back({names[answer.each.groups.size()], summary_of(runs.back(), request.confidence)});
  }
  answer.each.pairs = all_pairs(names, [&](std::size_t a, std::size_t b) {
    const std::vector<std::vector<SurvivalTime>> two{runs[a], runs[b]};
    return compare(two);
  });
  answer.all = compare(runs);
  return statistics_json(answer);
}

}  // namespace precipice
