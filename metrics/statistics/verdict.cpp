// SPDX-License-Identifier: Apache-2.0
#include "metrics/statistics/verdict.h"

#include <algorithm>
#include <cmath>

#include "precision/base/check.h"
#include "precision/base/spellings.h"

namespace precipice {
namespace {

constexpr Spellings<Verdict, 9> kWords{{{"reproduced", Verdict::Reproduced},
                                        {"smaller than claimed", Verdict::Smaller},
                                        {"opposite", Verdict::Opposite},
                                        {"undecided", Verdict::Undecided},
                                        {"equivalent", Verdict::Equivalent},
                                        {"not equivalent", Verdict::NotEquivalent},
                                        {"identical", Verdict::Identical},
                                        {"different", Verdict::Different},
                                        {"cannot be judged", Verdict::CannotBeJudged}}};

}  // namespace

std::string to_string(Verdict verdict) {
  return spelling_of(verdict, kWords);
}

Verdict difference_verdict(const Interval& interval, double margin) {
  PRECIPICE_CHECK(margin >= 0, margin);
  if (std::isnan(interval.low) || std::isnan(interval.high)) return Verdict::CannotBeJudged;
  if (interval.low > margin) return Verdict::Reproduced;
  if (interval.high < 0) return Verdict::Opposite;
  return interval.high < margin ? Verdict::Smaller : Verdict::Undecided;
}

Verdict equivalence_verdict(const Interval& interval, const Interval& margins) {
  PRECIPICE_CHECK(margins.low < margins.high, margins.low, " ", margins.high);
  if (std::isnan(interval.low) || std::isnan(interval.high)) return Verdict::CannotBeJudged;
  if (interval.low > margins.low && interval.high < margins.high) return Verdict::Equivalent;
  return interval.high < margins.low || interval.low > margins.high ? Verdict::NotEquivalent : Verdict::Undecided;
}

std::vector<double> holm_levels(std::span<const double> p_values, double alpha) {
  std::vector<double> levels(p_values.size(), alpha);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p_values.size(); ++i)
    if (!std::isnan(p_values[i])) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double level = alpha / static_cast<double>(order.size() - i);
    if (p_values[order[i]] > level) {
      for (std::size_t rest = i; rest < order.size(); ++rest) levels[order[rest]] = level;
      break;
    }
    levels[order[i]] = level;
  }
  return levels;
}

}  // namespace precipice
