// SPDX-License-Identifier: Apache-2.0
#include "experiments/emit/task_sizes.h"

#include <algorithm>
#include <cmath>

namespace precipice {
namespace {

constexpr double kAimSeconds = 45 * 60;
constexpr double kLeastLimit = 60, kLimitStep = 15, kMostLimit = 60 * 24 * 365;  // minutes

}  // namespace

TaskSizes size_tasks(const SweepSeconds& seconds, std::size_t runs, std::int64_t jobs, std::int64_t most,
                     std::int64_t asked) {
  TaskSizes sizes;
  const bool is_measured = std::isfinite(seconds.all) && std::isfinite(seconds.longest);
  const double at_once = static_cast<double>(jobs);
  // A task with fewer runs than it works on at once would have idle cores.
  const double full = std::max(1.0, std::ceil(static_cast<double>(runs) / at_once));
  const double wanted = is_measured ? std::ceil(seconds.all / at_once / kAimSeconds) : full;
  sizes.tasks =
      asked > 0 ? asked : static_cast<std::int64_t>(std::clamp(wanted, 1.0, std::min(full, static_cast<double>(most))));
  sizes.seconds = seconds.all / at_once / static_cast<double>(sizes.tasks);
  double minutes = kLeastLimit;
  if (is_measured) minutes = std::max({minutes, 1.5 * sizes.seconds / 60, 2 * seconds.longest / 60});
  sizes.limit_minutes =
      static_cast<std::int64_t>(kLimitStep * std::ceil(std::min(minutes, kMostLimit) / kLimitStep - 1e-9));
  sizes.budget_minutes = sizes.limit_minutes - 5;
  return sizes;
}

}  // namespace precipice
