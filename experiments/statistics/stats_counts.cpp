// SPDX-License-Identifier: Apache-2.0
// counts: shares with their intervals, Fisher's exact test of each pair.
#include "experiments/statistics/stats_parts.h"

namespace precipice {
namespace {

constexpr std::int64_t kMaxTrials = 1'000'000;  // tables of the exact test stay small

}  // namespace

Json answer_counts(const StatsInput& part, const StatsRequest& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<Count> counts;
  GroupAnswers<CountSummary, CountPair> answer;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "events", "trials"});
    const std::int64_t trials = element.at("trials").whole(0, kMaxTrials);
    counts.push_back({element.at("events").whole(0, trials), trials});
    answer.groups.push_back({names[answer.groups.size()], summary_of(counts.back(), request.confidence)});
  }
  answer.pairs =
      all_pairs(names, [&](std::size_t a, std::size_t b) { return compare(counts[a], counts[b], request.confidence); });
  return statistics_json(answer);
}

}  // namespace precipice
