// SPDX-License-Identifier: Apache-2.0
// lr_sensitivity: how much the best loss over learning rates leaves to be lost (metrics/statistics/lr_sensitivity.h).
#include <cmath>

#include "experiments/statistics/stats_parts.h"
#include "metrics/statistics/lr_sensitivity.h"

namespace precipice {
namespace {

struct SensitivitySummary {
  std::size_t n;
  LrSensitivity found;
  std::string reason;
};

template <class Visit>
void visit_fields(const SensitivitySummary& summary, const Visit& visit) {
  visit("n", summary.n);
  visit("sensitivity", summary.found.sensitivity);
  visit("best_loss", summary.found.best_loss);
  visit_reason(summary.reason, visit);
}

std::string why_sensitivity(const std::vector<double>& losses, const LrSensitivity& found, double initial_loss) {
  if (losses.empty()) return "no losses";
  if (losses.size() == 1) return "one loss: 0 by definition";
  if (std::isnan(found.sensitivity)) return "a loss is -inf: there is no best loss";
  return found.sensitivity == 0 && found.best_loss == initial_loss ? "no loss lies below the initial one: 0 by the cap"
                                                                   : "";
}

}  // namespace

Json answer_lr_sensitivity(const StatsInput& part, const StatsRequest&) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<NamedAnswer<SensitivitySummary>> groups;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "losses", "initial_loss"});
    const std::vector<double> losses = element.at("losses").numbers(true);
    const double initial_loss = element.at("initial_loss").number(-kLargestNumber, kLargestNumber);
    const LrSensitivity found = lr_sensitivity(losses, initial_loss);
    groups.push_back({names[groups.size()], {losses.size(), found, why_sensitivity(losses, found, initial_loss)}});
  }
  return statistics_json(groups);
}

}  // namespace precipice
