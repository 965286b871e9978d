// SPDX-License-Identifier: Apache-2.0
#include "experiments/emit/sweep_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "experiments/sweep/jobs.h"
#include "experiments/sweep/step_timing.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr double kMeasuringSeconds = 9;
constexpr double kSecondsToStart = 1;  // a run: its process, its model, its first and last files

std::int64_t megabytes_of(double bytes) {
  constexpr double kStep = 64;  // of the numbers that are asked for
  return static_cast<std::int64_t>(kStep * std::ceil(1.25 * bytes / 1048576 / kStep));
}

}  // namespace

SweepCost cost_of(const std::vector<SweepRun>& runs, const SweepWork& work, std::size_t jobs) {
  SweepCost cost;
  for (const SweepRun* run : work.to_go) cost.threads = std::max(cost.threads, run->config.threads);
  cost.megabytes = megabytes_of(plan_jobs(work.to_go, jobs, {kInfinity, ""}).bytes);
  const StepTiming step = time_step(runs.front().config, kMeasuringSeconds, available_memory().bytes);
  if (!step.is_measured()) {
    cost.how = step.how;
    return cost;
  }
  cost.seconds.all = step.seconds * work.work + kSecondsToStart * static_cast<double>(work.to_go.size());
  cost.seconds.longest = step.seconds * work.longest + kSecondsToStart;
  cost.how = fmt::format("{:.3g} ms a step of the first run on this machine, {}, without probes and validation",
                         1e3 * step.seconds, step.how);
  return cost;
}

}  // namespace precipice
