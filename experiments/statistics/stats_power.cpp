// SPDX-License-Identifier: Apache-2.0
// power: the seeds that it takes to see a difference of shares, or of means.
#include <optional>

#include "experiments/statistics/stats_parts.h"
#include "metrics/statistics/power.h"

namespace precipice {
namespace {

struct PowerAnswer {
  std::optional<double> effect, p, q;
  std::int64_t seeds;  // -1: too many
};

template <class Visit>
void visit_fields(const PowerAnswer& answer, const Visit& visit) {
  if (answer.effect) visit("effect", *answer.effect);
  if (answer.p) visit("p", *answer.p);
  if (answer.q) visit("q", *answer.q);
  visit("seeds", answer.seeds > 0 ? std::optional(answer.seeds) : std::nullopt);
  if (answer.seeds < 0) visit("reason", "more than 1000 seeds a group");
}

}  // namespace

Json answer_power(const StatsInput& part, const StatsRequest&) {
  std::vector<PowerAnswer> answers;
  for (const StatsInput& element : part.elements()) {
    element.allow_keys({"p", "q", "effect"});
    if (element.has("effect")) {
      if (element.has("p") || element.has("q")) element.refuse("either p and q, or effect");
      const double effect = element.at("effect").number(-100, 100);
      answers.push_back({effect, {}, {}, seeds_for_means(effect)});
    } else {
      const double p = element.at("p").number(0, 1), q = element.at("q").number(0, 1);
      answers.push_back({{}, p, q, seeds_for_proportions(p, q)});
    }
  }
  return statistics_json(answers);
}

}  // namespace precipice
