// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/sweep_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "experiments/statistics/compared_formats.h"
#include "metrics/statistics/lr_sensitivity.h"

namespace precipice {
namespace {

using Runs = std::vector<const AnalysedRun*>;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

FinalLosses final_losses(const Runs& runs) {
  std::vector<double> ranked, finite;  // +inf for a run that diverged
  for (const AnalysedRun* run : runs) {
    const double loss = run->final_loss();
    if (std::isnan(loss)) continue;
    ranked.push_back(loss);
    if (std::isfinite(loss)) finite.push_back(loss);
  }
  const auto range = std::minmax_element(finite.begin(), finite.end());
  return {ranked.size(),
          static_cast<std::int64_t>(ranked.size() - finite.size()),
          median_of(ranked),
          finite.empty() ? kUnknown : *range.first,
          finite.empty() ? kUnknown : *range.second,
          ranked.empty()   ? "no run has ended with a validation loss"
          : finite.empty() ? "every run that ended diverged"
                           : ""};
}

CellStatistics cell_of(const std::string& format, double rate, const Runs& runs) {
  return {format,
          rate,
          runs.size(),
          summary_of(divergence_count(runs), kConfidence),
          count_ended(runs, &AnalysedRun::untrained),
          count_ended(runs, &AnalysedRun::skipped),
          summary_of(survival_times(runs), kConfidence),
          final_losses(runs)};
}

SensitivityStatistics sensitivity_of(const SweepData& data, const std::string& format) {
  std::map<std::string, std::map<double, const AnalysedRun*>> by_seed;
  for (const AnalysedRun& run : data.runs)
    if (run.format == format && run.ended() && !std::isnan(run.final_loss()))
      by_seed[run.seeds][run.learning_rate] = &run;
  std::vector<double> values;
  bool has_learnt = false;  // a run below its initial loss
  for (const auto& [seed, runs] : by_seed) {
    if (runs.size() != data.learning_rates.size()) continue;
    std::vector<double> losses;
    for (const auto& [rate, run] : runs) losses.push_back(run->final_loss());
    const double initial = runs.begin()->second->initial_loss();
    const LrSensitivity found = lr_sensitivity(losses, initial);
    if (std::isnan(found.sensitivity)) continue;
    values.push_back(found.sensitivity);
    has_learnt = has_learnt || found.best_loss < initial;
  }
  const Bootstrap mean = bootstrap_mean(values, {kReportSeed});
  SensitivityStatistics result{format, data.learning_rates, values.size(), mean.estimate, values, {}, ""};
  // By the formula both are 0, which would read as: any rate will do.
  if (data.learning_rates.size() < 2)
    result.reason = "one learning rate: the sensitivity is 0 by definition";
  else if (!values.empty() && !has_learnt)
    result.reason = "no run ended below its initial loss";
  if (!result.reason.empty()) {
    result.mean = kUnknown;
  } else if (values.size() < 2) {
    result.reason = "n too small: fewer than two seeds have ended at every rate";
  } else {
    const std::span<const double> groups[] = {values};
    result.bootstrap = summary_of(mean, groups);
    result.reason = result.bootstrap->reason;
  }
  return result;
}

}  // namespace

Interval SensitivityStatistics::interval() const {
  return bootstrap ? bootstrap->interval : Interval{kUnknown, kUnknown};
}

SweepStatistics sweep_statistics(const SweepData& data) {
  SweepStatistics statistics{data.directory.string(),  data.reference, {}, {},
                             format_comparisons(data), data.problems()};
  for (const std::string& format : formats_without_reference(data))
    statistics.notes.push_back(
        fmt::format("{}: compared with nothing, since no format differs from it in the precision alone", format));
  for (const std::string& format : data.formats) {
    for (const double rate : data.learning_rates) {
      const Runs runs = data.cell(format, rate);
      if (!runs.empty()) statistics.cells.push_back(cell_of(format, rate, runs));
    }
    statistics.lr_sensitivity.push_back(sensitivity_of(data, format));
  }
  return statistics;
}

}  // namespace precipice
