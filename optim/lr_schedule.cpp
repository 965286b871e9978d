// SPDX-License-Identifier: Apache-2.0
#include "optim/lr_schedule.h"

#include <cmath>
#include <numbers>

#include "precision/base/check.h"

namespace precipice {

double schedule_factor(const ScheduleConfig& config, std::int64_t step, std::int64_t total_steps) {
  PRECIPICE_CHECK(step >= 0 && config.warmup_steps >= 0, "step ", step, ", warm-up ", config.warmup_steps);

  const auto at = static_cast<double>(step);
  const auto warmup = static_cast<double>(config.warmup_steps);
  if (step < config.warmup_steps) return (at + 1) / (warmup + 1);
  if (config.kind == ScheduleKind::Constant) return 1.0;
  if (step >= total_steps) return config.final_fraction;
  // Here warmup <= step < total_steps, so the length of the decay is at least 1.
  const double ratio = (at - warmup) / (static_cast<double>(total_steps) - warmup);
  const double left = config.kind == ScheduleKind::Cosine ? 0.5 * (1 + std::cos(std::numbers::pi * ratio)) : 1 - ratio;
  return config.final_fraction + left * (1 - config.final_fraction);
}

}  // namespace precipice
