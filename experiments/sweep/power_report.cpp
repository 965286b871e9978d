// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/power_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "metrics/statistics/power.h"

namespace precipice {
namespace {

// Runs per combination of everything but the seeds.
std::map<std::string, std::int64_t> cell_sizes(const Sweep& sweep, const std::vector<SweepRun>& runs) {
  std::map<std::string, std::int64_t> sizes;
  for (const SweepRun& run : runs) {
    std::string cell;
    for (std::size_t a = 0; a < sweep.axes.size(); ++a)
      if (sweep.axes[a].key != "seed" && !sweep.axes[a].key.ends_with(".seed")) cell += to_toml(run.values[a]) + "\n";
    ++sizes[cell];
  }
  return sizes;
}

std::string seeds_text(double p, double q) {
  const std::int64_t seeds = seeds_for_proportions(p, q);
  return seeds > 0 ? std::to_string(seeds) : fmt::format("more than {}", kMaxSeeds);
}

}  // namespace

std::string power_line(const Sweep& sweep, const std::vector<SweepRun>& runs) {
  const auto sizes = cell_sizes(sweep, runs);
  std::int64_t least = sizes.begin()->second;
  for (const auto& [cell, size] : sizes) least = std::min(least, size);
  const std::string head = fmt::format("{} seed{} a cell, {} cell{}", least, least == 1 ? "" : "s", sizes.size(),
                                       sizes.size() == 1 ? "" : "s");
  if (sizes.size() < 2) return head + ": nothing to compare";
  const double proportion = detectable_proportion(0, least), effect = detectable_effect(least);
  const std::string divergence = std::isnan(proportion)
                                     ? "no difference in diverged runs can be shown"
                                     : fmt::format("0 % against {:.0f} % diverged can be told apart", 100 * proportion);
  const std::string loss =
      std::isnan(effect) ? "no difference in final loss" : fmt::format("final losses {:.2f} sd apart", effect);
  return fmt::format("{}: {}, and {} (5 %, power 80 %); 10 % against 30 % takes {} seeds a cell, against 50 % {}", head,
                     divergence, loss, seeds_text(0.1, 0.3), seeds_text(0.1, 0.5));
}

}  // namespace precipice
