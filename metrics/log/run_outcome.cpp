// SPDX-License-Identifier: Apache-2.0
#include "metrics/log/run_outcome.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace precipice {

RunOutcome outcome_of(const OutcomeInput& input) {
  if (input.skipped_steps > 0 && 2 * input.skipped_steps >= input.steps)
    return {RunState::Skipped, skipped_text(input.skipped_steps, input.steps)};
  if (!std::isnan(input.unigram_floor) && !(input.final_loss < input.unigram_floor))
    return {RunState::Untrained, fmt::format("final loss {:.4f} is not below the unigram entropy {:.4f}",
                                             input.final_loss, input.unigram_floor)};
  return {};
}

double final_training_loss(std::span<const double> losses) {
  if (losses.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto last = losses.last(std::min(kFinalLosses, losses.size()));
  return std::accumulate(last.begin(), last.end(), 0.0) / static_cast<double>(last.size());
}

std::string skipped_text(std::int64_t skipped_steps, std::int64_t steps) {
  return fmt::format("skipped {} of {} steps", skipped_steps, steps);
}

}  // namespace precipice
