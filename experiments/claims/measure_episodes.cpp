// SPDX-License-Identifier: Apache-2.0
// Claims on spikes, and on which series leaves its band first.
#include <fmt/format.h>

#include <cmath>

#include "experiments/claims/measure.h"
#include "metrics/divergence/episodes.h"
#include "metrics/statistics/paired_series.h"
#include "metrics/statistics/rates.h"

namespace precipice::claims {
namespace {

// Means of a run's series over windows of steps; a group with sites or bins is averaged over them.
WindowMeans window_means(const AnalysedRun& run, const SeriesName& name, std::int64_t window, std::size_t windows) {
  const ColumnGroup& group = run.columns.at(name.group);
  const std::vector<double>& values = group.series.at(name.name);
  WindowMeans sums(windows, 0.0), counts(windows, 0.0);
  for (std::size_t row = 0; row < group.steps.size(); ++row) {
    const auto w = static_cast<std::size_t>(group.steps[row] / window);
    if (w >= windows) continue;
    for (std::size_t i = 0; i < group.width(); ++i) sums[w] += values[row * group.width() + i], ++counts[w];
  }
  for (std::size_t w = 0; w < windows; ++w) sums[w] = counts[w] > 0 ? sums[w] / counts[w] : NAN;
  return sums;
}

std::int64_t departure_of(const RunPair& pair, const SeriesName& name, const Claim& claim, const Interval& band) {
  const auto windows = static_cast<std::size_t>(pair.first->config.train.steps / claim.window);
  WindowMeans ratio = window_means(*pair.first, name, claim.window, windows);
  const WindowMeans second = window_means(*pair.second, name, claim.window, windows);
  for (std::size_t w = 0; w < windows; ++w) ratio[w] /= second[w];
  return first_departure(ratio, band.low, band.high);
}

}  // namespace

Measured measure_episodes(const Claim& claim, std::span<const RunPair> pairs) {
  std::vector<PairedEpisodes> seeds;
  std::int64_t blind = 0, logged = 0;
  // A ratio beyond 1 + margin is one beyond 1 where the first's exposure counts as that much longer.
  const double sign = claim.direction == ClaimDirection::Lower ? -1 : 1, factor = std::pow(1 + claim.margin, sign);
  for (const RunPair& pair : pairs) {
    const Episodes first = find_episodes(claim.rule, pair.first->label_input());
    const Episodes second = find_episodes(claim.rule, pair.second->label_input());
    if (first.judged == 0 || second.judged == 0)
      return cannot_be_judged(
          claim, fmt::format("seed {} is too short for the rule {}: it judges no step", pair.first->seeds, claim.rule));
    seeds.push_back({static_cast<std::int64_t>(first.steps.size()), static_cast<std::int64_t>(second.steps.size()),
                     static_cast<double>(first.judged) * factor, static_cast<double>(second.judged)});
    blind += first.blind + second.blind, logged += first.judged + first.blind + second.judged + second.blind;
  }
  const RateRatio ratio = rate_ratio(seeds, 1 - claim.alpha);
  Measured measured = cannot_be_judged(claim, "");
  measured.result.pairs = static_cast<std::int64_t>(pairs.size());
  const bool by_seeds = ratio.is_clumped && !std::isnan(ratio.ratio_by_seeds);
  measured.result.effect = (by_seeds ? ratio.ratio_by_seeds : ratio.ratio) * factor;
  measured.result.effect_unit = "ratio of episodes per step";
  measured.result.p = by_seeds ? ratio.p_by_seeds : ratio.p;
  measured.result.reason = fmt::format(
      "blind for {} of {} steps{}", blind, logged,
      by_seeds ? fmt::format("; episodes are clumped (p = {:.2g}), so the interval is by seeds", ratio.clumping_p)
               : "");
  measured.margin = std::log1p(claim.margin);
  measured.shown_interval = [=](double level) {
    const RateRatio at_level = rate_ratio(seeds, 1 - level);
    const Interval interval = by_seeds ? at_level.by_seeds : at_level.interval;
    return Interval{interval.low * factor, interval.high * factor};
  };
  const auto shown = measured.shown_interval;
  measured.turned_interval = [=](double level) {
    const Interval interval = shown(level);
    const Interval logs{std::log(interval.low), std::log(interval.high)};
    return sign > 0 ? logs : Interval{-logs.high, -logs.low};
  };
  return measured;
}

Measured measure_departure(const Claim& claim, std::span<const RunPair> pairs) {
  std::vector<std::int64_t> first, second;
  for (const RunPair& pair : pairs) {
    for (const SeriesName* name : {&claim.series, &claim.other_series})
      for (const AnalysedRun* run : {pair.first, pair.second})
        if (find_series(run->columns, name->group, name->name) == nullptr)
          return cannot_be_judged(claim, fmt::format("run {} has no series {}/{}", run->id, name->group, name->name));
    if (pair.first->config.train.steps < claim.window)
      return cannot_be_judged(
          claim, fmt::format("runs of {} steps have no window of {}", pair.first->config.train.steps, claim.window));
    first.push_back(departure_of(pair, claim.series, claim, claim.band));
    second.push_back(departure_of(pair, claim.other_series, claim, claim.other_band));
  }
  const DepartureOrder order = compare_departures(first, second);
  Measured measured = cannot_be_judged(claim, "");
  measured.result.pairs = static_cast<std::int64_t>(pairs.size());
  const auto differ = static_cast<double>(order.first_earlier + order.second_earlier);
  measured.result.effect = differ > 0 ? static_cast<double>(order.first_earlier) / differ : NAN;
  measured.result.effect_unit = "share of the seeds that differ";
  measured.result.reason =
      fmt::format("{}/{} leaves first in {} seeds, {}/{} in {}; in {} both in one window, in {} neither",
                  claim.series.group, claim.series.name, order.first_earlier, claim.other_series.group,
                  claim.other_series.name, order.second_earlier, order.together, order.neither);
  decide_by_signs(measured, order.first_earlier, order.second_earlier);
  return measured;
}

}  // namespace precipice::claims
