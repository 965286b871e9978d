// SPDX-License-Identifier: Apache-2.0
#include "experiments/status/power_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "metrics/statistics/paired.h"
#include "metrics/statistics/power.h"
#include "metrics/statistics/signed_ranks.h"

namespace precipice {
namespace {

constexpr double kLargestEffect = 20;  // standard deviations: beyond it nobody asks

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

// Runs of one seed are pairs, whose differences are compared by the paired t test.
std::string told_losses(std::int64_t pairs) {
  double effect = 0;
  while (effect < kLargestEffect && paired_t_power(effect, pairs) < kTargetPower) effect += 0.01;
  return effect >= kLargestEffect
             ? "no difference in final loss"
             : fmt::format("final losses that differ by {:.2f} sd of the difference within a seed", effect);
}

// What the exact tests of pairs cannot decide, however the runs end.
std::string floor_text(std::int64_t pairs, std::size_t comparisons) {
  const double level = kLevel / static_cast<double>(comparisons);
  if (least_exact_p(pairs) <= level) return "";
  std::int64_t needed = pairs;
  while (least_exact_p(needed) > level) ++needed;
  return fmt::format(
      "; {} pairs that differ would be needed to decide the first of {} comparison{} of diverged runs by pairs", needed,
      comparisons, comparisons == 1 ? "" : "s");
}

}  // namespace

std::string power_line(const Sweep& sweep, const std::vector<SweepRun>& runs) {
  const auto sizes = cell_sizes(sweep, runs);
  std::int64_t least = sizes.begin()->second;
  for (const auto& [cell, size] : sizes) least = std::min(least, size);
  const std::string head = fmt::format("{} seed{} a cell, {} cell{}", least, least == 1 ? "" : "s", sizes.size(),
                                       sizes.size() == 1 ? "" : "s");
  if (sizes.size() < 2) return head + ": nothing to compare";
  const double proportion = detectable_proportion(0, least);
  const std::string divergence = std::isnan(proportion)
                                     ? "no difference in diverged runs can be shown"
                                     : fmt::format("0 % against {:.0f} % diverged can be told apart", 100 * proportion);
  return fmt::format(
      "{}: {}, and {} (5 %, power 80 %, for one comparison){}; 10 % against 30 % takes {} seeds a cell, against 50 % "
      "{}",
      head, divergence, told_losses(least), floor_text(least, sizes.size() - 1), seeds_text(0.1, 0.3),
      seeds_text(0.1, 0.5));
}

}  // namespace precipice
