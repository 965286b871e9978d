// SPDX-License-Identifier: Apache-2.0
#include "experiments/warnings/warn_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "experiments/warnings/warn_runs.h"
#include "metrics/warning/signals.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr const char* kConstant = "constant";

struct MeasuredSignal {
  Signal signal;
  std::vector<SignalSeries> series;  // one per run
  std::size_t present = 0;           // runs that have it
  bool is_constant = true;
};

MeasuredSignal measure(const WarnRuns& runs, const Signal& signal) {
  MeasuredSignal measured{signal, {}, 0, true};
  double first = std::nan("");
  for (const AnalysedRun* run : runs.sources) {
    measured.series.push_back(signal_of(run->columns, signal));
    bool any = false;
    for (const double value : measured.series.back().values) {
      if (std::isnan(value)) continue;
      any = true;
      if (std::isnan(first)) first = value;
      measured.is_constant = measured.is_constant && value == first;
    }
    measured.present += any;
  }
  return measured;
}

std::vector<MeasuredSignal> measure_all(const WarnRuns& runs, std::vector<std::string>& absent) {
  std::map<std::string, std::set<std::string>> available;
  for (const AnalysedRun* run : runs.sources)
    for (const auto& [group, columns] : run->columns)
      for (const auto& [series, values] : columns.series)
        if (!values.empty()) available[group].insert(series);
  const SignalChoice choice = choose_signals(available);
  absent = choice.absent;
  std::vector<MeasuredSignal> all;
  for (const Signal& signal : choice.signals) all.push_back(measure(runs, signal));
  return all;
}

// The signal with the largest AUC of those that anyone logs; null without any.
const MeasuredSignal* best_baseline(const WarnRuns& runs, const std::vector<MeasuredSignal>& signals,
                                    std::int64_t horizon) {
  const MeasuredSignal* best = nullptr;
  double highest = 0;
  for (const MeasuredSignal& measured : signals) {
    if (!measured.signal.is_baseline || measured.is_constant) continue;
    const double auc = auc_of_pairs(pairs_at_horizon(runs.runs, measured.series, horizon)).value;
    if (!std::isnan(auc) && (best == nullptr || auc > highest)) best = &measured, highest = auc;
  }
  return best;
}

// `enough`: runs for a test of this signal.
BaselineComparison compare_with(const WarnRuns& runs, const PairTable& pairs, const MeasuredSignal& measured,
                                const MeasuredSignal* baseline, std::int64_t horizon, bool enough) {
  BaselineComparison result{{}, kNaN, {kNaN, kNaN}, kNaN, kNaN, "-"};
  if (baseline != nullptr) result.baseline = baseline->signal.name;
  // Baselines are not compared among each other: Holm would take it from the signals that are asked about.
  if (baseline == nullptr || measured.signal.is_baseline || !enough) return result;
  const AucComparison comparison = compare_auc(pairs, pairs_at_horizon(runs.runs, baseline->series, horizon), true);
  result.difference = comparison.difference;
  result.interval = comparison.interval;
  result.p = comparison.p;
  return result;
}

SignalResult result_of(const WarnRuns& runs, const MeasuredSignal& measured, std::int64_t horizon,
                       const MeasuredSignal* baseline) {
  const PairTable pairs = pairs_at_horizon(runs.runs, measured.series, horizon);
  const PairCounts counts = comparable(pairs);
  const bool enough = counts.cases >= kMinWarnRuns && counts.controls >= kMinWarnRuns;
  const double all = static_cast<double>(counts.cases + counts.controls);
  SignalResult result{};
  result.signal = measured.signal.name;
  result.series = measured.signal.group + "/" + measured.signal.series;
  result.is_baseline = measured.signal.is_baseline;
  result.horizon = horizon;
  result.auc = summary_of(auc_of_pairs(pairs), true, kConfidence);
  result.auc.cases = counts.cases, result.auc.controls = counts.controls;
  result.average_precision = average_precision_at_horizon(runs.runs, measured.series, horizon);
  result.base_rate = all > 0 ? static_cast<double>(counts.cases) / all : kNaN;
  result.reason = result.auc.reason;
  if (measured.is_constant)
    result.reason = kConstant;
  else if (!enough)
    result.reason = fmt::format("n too small: {} cases and {} controls can be compared, at least {} of each are needed",
                                counts.cases, counts.controls, kMinWarnRuns);
  if (measured.is_constant || !enough) result.auc.p = kNaN;
  result.against_baseline = compare_with(runs, pairs, measured, baseline, horizon, enough && !measured.is_constant);
  return result;
}

std::string verdict_of(const SignalResult& result) {
  if (std::isfinite(result.holm_p))
    return result.holm_p >= 0.05 ? "undecided" : result.auc.auc > 0.5 ? "warns" : "inverse";
  if (result.reason.empty()) return "undecided: no variance";
  return result.reason == kConstant ? "undecided: constant" : "n too small";
}

std::string verdict_of(const BaselineComparison& against) {
  if (!std::isfinite(against.holm_p)) return "-";
  return against.holm_p >= 0.05 ? "undecided" : against.difference > 0 ? "better" : "worse";
}

void set_verdicts(std::vector<SignalResult>& results) {
  std::vector<BaselineComparison> compared;
  for (const SignalResult& result : results) compared.push_back(result.against_baseline);
  adjust_by_holm(results, [](const SignalResult& result) { return result.auc.p; });
  adjust_by_holm(compared, [](const BaselineComparison& against) { return against.p; });
  for (std::size_t i = 0; i < results.size(); ++i) {
    compared[i].verdict = verdict_of(compared[i]);
    results[i].verdict = verdict_of(results[i]);
    results[i].against_baseline = compared[i];
  }
}

AlarmResult alarms_of(const WarnRuns& runs, const MeasuredSignal& measured) {
  const AlarmTrial trial = try_alarms(runs.runs, measured.series);
  AlarmResult result{measured.signal.name,
                     trial,
                     summary_of(trial.detected, kConfidence),
                     summary_of(trial.false_alarms, kConfidence),
                     median_of(trial.leads),
                     ""};
  if (std::isnan(trial.thresholds[0]) || std::isnan(trial.thresholds[1]))
    result.reason = "a half of the seeds has no run that ended without divergence: no threshold to try on the other";
  else if (trial.leads.empty())
    result.reason = "no divergence was announced";
  return result;
}

// The names of the signals, the most telling first.
std::vector<std::string> best_first(const std::vector<SignalResult>& results) {
  struct Rank {
    double p = 2, distance = -1;  // beyond those of any result with numbers
    std::size_t place = 0;
  };
  std::map<std::string, Rank> ranks;
  for (const SignalResult& result : results) {
    Rank& rank = ranks.try_emplace(result.signal, Rank{2, -1, ranks.size()}).first->second;
    if (!std::isfinite(result.holm_p)) continue;
    const double p = result.holm_p, distance = std::abs(result.auc.auc - 0.5);
    if (std::tie(p, rank.distance) < std::tie(rank.p, distance)) rank.p = p, rank.distance = distance;
  }
  std::vector<std::pair<std::string, Rank>> order(ranks.begin(), ranks.end());
  std::ranges::sort(order, [](const auto& a, const auto& b) {
    return std::tuple(a.second.p, -a.second.distance, a.second.place) <
           std::tuple(b.second.p, -b.second.distance, b.second.place);
  });
  std::vector<std::string> names;
  for (const auto& [name, rank] : order) names.push_back(name);
  return names;
}

std::int64_t count_in(const WarnRuns& runs, RunState state) {
  return std::ranges::count_if(runs.sources, [&](const AnalysedRun* run) { return run->status.state == state; });
}

}  // namespace

WarnReport warn_report(const SweepData& data, const WarnOptions& options) {
  const WarnRuns runs = make_warn_runs(data, options);
  WarnReport report{};
  report.directory = data.directory.string();
  report.rule = options.rule;
  report.horizons = options.horizons;
  report.within = runs.within;
  report.equal_settings = !options.within.has_value();
  report.cases = std::ranges::count_if(runs.runs, [](const WarnRun& run) { return run.diverged; });
  report.controls = static_cast<std::int64_t>(runs.runs.size()) - report.cases;
  report.untrained = count_in(runs, RunState::Untrained);
  report.skipped = count_in(runs, RunState::Skipped);
  report.notes = runs.notes;
  const std::vector<MeasuredSignal> signals = measure_all(runs, report.absent);
  for (const std::int64_t horizon : options.horizons) {
    const MeasuredSignal* baseline = best_baseline(runs, signals, horizon);
    for (const MeasuredSignal& measured : signals)
      if (measured.present > 0) report.signals.push_back(result_of(runs, measured, horizon, baseline));
  }
  set_verdicts(report.signals);
  for (const MeasuredSignal& measured : signals)
    if (measured.present > 0) report.alarms.push_back(alarms_of(runs, measured));
  report.best = best_first(report.signals);
  return report;
}

}  // namespace precipice
