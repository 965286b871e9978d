// SPDX-License-Identifier: Apache-2.0
#include "metrics/warning/early_warning.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

std::vector<std::size_t> runs_that(std::span<const WarnRun> runs, bool diverged) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (runs[i].diverged == diverged) chosen.push_back(i);
  return chosen;
}

struct Comparison {
  double of_case = kNaN, of_control = kNaN;  // NaN in either: not comparable
};

Comparison compare_at(const WarnRun& fallen, const SignalSeries& of_fallen, const WarnRun& control,
                      const SignalSeries& of_control, std::int64_t horizon) {
  const std::int64_t step = fallen.divergence_step - horizon;
  if (fallen.stratum != control.stratum || step < 0 || control.last_step < fallen.divergence_step) return {};
  return {value_at(of_fallen, step), value_at(of_control, step)};
}

// The largest value that could raise an alarm in a run that did not diverge; NaN where none was measured.
double peak(const WarnRun& run, const SignalSeries& series) {
  double largest = kNaN;
  for (std::size_t k = 0; k < series.steps.size(); ++k)
    if (series.steps[k] >= run.first_step && !std::isnan(series.values[k]))
      largest = std::isnan(largest) ? series.values[k] : std::max(largest, series.values[k]);
  return largest;
}

}  // namespace

double value_at(const SignalSeries& series, std::int64_t step) {
  auto k = std::upper_bound(series.steps.begin(), series.steps.end(), step) - series.steps.begin();
  while (k > 0)
    if (const double value = series.values[static_cast<std::size_t>(--k)]; !std::isnan(value)) return value;
  return kNaN;
}

PairTable pairs_at_horizon(std::span<const WarnRun> runs, std::span<const SignalSeries> signal, std::int64_t horizon) {
  PRECIPICE_CHECK(runs.size() == signal.size() && horizon >= 0, runs.size(), " ", signal.size(), " ", horizon);
  const std::vector<std::size_t> cases = runs_that(runs, true), controls = runs_that(runs, false);
  PairTable pairs{cases.size(), controls.size(), {}};
  for (const std::size_t i : cases)
    for (const std::size_t j : controls) {
      const Comparison both = compare_at(runs[i], signal[i], runs[j], signal[j], horizon);
      const double x = both.of_case, y = both.of_control;
      pairs.psi.push_back(std::isnan(x) || std::isnan(y) ? kNaN : x > y ? 1 : x < y ? 0 : 0.5);
    }
  return pairs;
}

double average_precision_at_horizon(std::span<const WarnRun> runs, std::span<const SignalSeries> signal,
                                    std::int64_t horizon) {
  const std::vector<std::size_t> cases = runs_that(runs, true), controls = runs_that(runs, false);
  std::vector<double> of_cases, of_controls, weights;
  std::vector<std::size_t> owner;  // of each entry of of_controls
  std::vector<double> uses(controls.size(), 0.0);
  for (const std::size_t i : cases) {
    double own = kNaN;
    for (std::size_t c = 0; c < controls.size(); ++c) {
      const Comparison both = compare_at(runs[i], signal[i], runs[controls[c]], signal[controls[c]], horizon);
      if (std::isnan(both.of_case) || std::isnan(both.of_control)) continue;
      own = both.of_case;
      of_controls.push_back(both.of_control);
      owner.push_back(c);
      ++uses[c];
    }
    if (!std::isnan(own)) of_cases.push_back(own);
  }
  for (const std::size_t c : owner) weights.push_back(1 / uses[c]);
  return average_precision(of_cases, of_controls, weights);
}

PairCounts comparable(const PairTable& pairs) {
  std::vector<bool> rows(pairs.cases), columns(pairs.controls);
  for (std::size_t i = 0; i < pairs.cases; ++i)
    for (std::size_t j = 0; j < pairs.controls; ++j)
      if (!std::isnan(pairs.psi[i * pairs.controls + j])) rows[i] = columns[j] = true;
  return {static_cast<std::size_t>(std::count(rows.begin(), rows.end(), true)),
          static_cast<std::size_t>(std::count(columns.begin(), columns.end(), true))};
}

std::int64_t first_alarm(const WarnRun& run, const SignalSeries& series, double threshold, std::int64_t end) {
  for (std::size_t k = 0; k < series.steps.size() && series.steps[k] < end; ++k)
    if (series.steps[k] >= run.first_step && series.values[k] > threshold) return series.steps[k];
  return -1;
}

double alarm_threshold(std::vector<double> peaks, double rate) {
  std::erase_if(peaks, [](double v) { return std::isnan(v); });
  if (peaks.empty()) return kNaN;
  std::sort(peaks.begin(), peaks.end(), std::greater<>());
  // 0.05 of 20 is 1 on paper and must not become 0.
  return peaks[static_cast<std::size_t>(rate * static_cast<double>(peaks.size()) + 1e-9)];
}

AlarmTrial try_alarms(std::span<const WarnRun> runs, std::span<const SignalSeries> signal) {
  PRECIPICE_CHECK(runs.size() == signal.size(), runs.size(), " ", signal.size());
  AlarmTrial trial;
  for (const int half : {0, 1}) {
    std::vector<double> peaks;
    for (std::size_t i = 0; i < runs.size(); ++i)
      if (!runs[i].diverged && runs[i].finished && runs[i].half == half) peaks.push_back(peak(runs[i], signal[i]));
    const double threshold = trial.thresholds[half] = alarm_threshold(std::move(peaks));
    if (std::isnan(threshold)) continue;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const WarnRun& run = runs[i];
      if (run.half == half || signal[i].steps.empty()) continue;
      if (run.diverged) {
        const std::int64_t alarm = first_alarm(run, signal[i], threshold, run.divergence_step);
        ++trial.detected.trials;
        if (alarm < 0) continue;
        ++trial.detected.events;
        trial.leads.push_back(static_cast<double>(run.divergence_step - alarm));
      } else if (run.finished) {
        ++trial.false_alarms.trials;
        trial.false_alarms.events += first_alarm(run, signal[i], threshold, run.last_step + 1) >= 0;
      }
    }
  }
  return trial;
}

}  // namespace precipice
