// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/run_costs.h"

#include "experiments/sweep/plan.h"

namespace precipice {

void RunCosts::add(const RunConfig& config, const RunStatus& status) {
  if (!is_finished(status.state) || !(status.steps_per_second > 0) || status.step == 0) return;
  Measured& measured = by_size_[size_key(config)];
  measured.steps += static_cast<double>(status.step);
  measured.seconds += static_cast<double>(status.step) / status.steps_per_second;
}

std::optional<double> RunCosts::seconds(const RunConfig& config, std::int64_t steps_left) const {
  constexpr double kMargin = 1.1;
  const auto found = by_size_.find(size_key(config));
  if (found == by_size_.end()) return std::nullopt;
  return kMargin * static_cast<double>(steps_left) * found->second.seconds / found->second.steps;
}

bool is_worth_starting(std::optional<double> seconds, double left, double whole) {
  if (left <= 0) return false;
  return !seconds || *seconds <= left || *seconds > whole;
}

}  // namespace precipice
