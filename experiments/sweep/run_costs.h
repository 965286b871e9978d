// SPDX-License-Identifier: Apache-2.0
// How long a run will take, by the runs of the sweep that have ended: `sweep --for` starts none that would not end.
//   seconds = 1.1 * steps left * (sum of seconds / sum of steps over the ended runs of the same sizes)
// The tenth more is for machines that are not always as fast. Sizes are all keys but seeds, rates and what starts a run
// (size_key in plan.h). Seconds and steps are those of a run's last process, with its start and its probes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "metrics/log/status_file.h"
#include "train/config/run_config.h"

namespace precipice {

class RunCosts {
 public:
  void add(const RunConfig& config, const RunStatus& status);  // of a run that has ended; others count for nothing
  // Nothing where no run of these sizes has ended.
  std::optional<double> seconds(const RunConfig& config, std::int64_t steps_left) const;

 private:
  struct Measured {
    double seconds = 0, steps = 0;
  };
  std::map<std::string, Measured> by_size_;
};

// Whether a run is begun with `left` of a budget of `whole` seconds: not where it would end after that; but a run that is
// longer than a whole budget could never begin, so it begins and goes on from its checkpoint in the next one.
bool is_worth_starting(std::optional<double> seconds, double left, double whole);

}  // namespace precipice
