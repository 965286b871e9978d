// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/sweep_work.h"

#include <algorithm>

#include "experiments/sweep/step_timing.h"

namespace precipice {

SweepWork work_left(const std::vector<SweepRun>& runs, const std::filesystem::path& directory, RunSelection selection) {
  SweepWork work;
  const double first = step_work(runs.front().config);
  for (const SweepRun& run : runs) {
    const RunStatus status = observe_run(directory / run.id);
    work.statuses.push_back(status);
    if (!is_selected(status.state, selection)) continue;
    const std::int64_t left = run.config.train.steps - std::min(status.step, run.config.train.steps);
    const double own = static_cast<double>(left) * step_work(run.config) / first;
    work.to_go.push_back(&run);
    work.steps += left;
    work.work += own;
    work.longest = std::max(work.longest, own);
  }
  return work;
}

}  // namespace precipice
