// SPDX-License-Identifier: Apache-2.0
// p_values: one's own, adjusted by Holm's rule.
#include "experiments/statistics/stats_parts.h"

namespace precipice {
namespace {

struct HolmAnswer {
  std::vector<double> p, holm_p;
};

template <class Visit>
void visit_fields(const HolmAnswer& answer, const Visit& visit) {
  visit("p", answer.p);
  visit("holm_p", answer.holm_p);
}

}  // namespace

Json answer_p_values(const StatsInput& part, const StatsRequest&) {
  std::vector<double> p_values;
  for (const StatsInput& element : part.elements()) p_values.push_back(element.number(0, 1));
  return statistics_json(HolmAnswer{p_values, holm_adjusted(p_values)});
}

}  // namespace precipice
