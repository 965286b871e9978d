// SPDX-License-Identifier: Apache-2.0
// Does a signal warn of divergence? Cases are runs that diverged, at T_i; controls are runs that did not. Everything
// counts runs, never steps: the steps of one run depend on each other.
//   AUC at horizon H: psi_ij compares case i and control j at the same step T_i - H, each with its last value there, so
//     that what all runs do in the course of training is no warning. Control j counts where it is known not to have
//     diverged up to T_i. DeLong's variance of this U-statistic; Student's t (statistics/roc.h).
//   Alarm: the first value above a threshold, from `first_step` on. The threshold leaves at most 5 % of the controls'
//     largest values above it. It is taken from one half of the seeds and tried on the other, both ways, and counts are
//     summed: no run is judged by a threshold that it helped to choose. Lead time: T_i minus the alarm's step.
// Formulas: arXiv 2405.18710's claim put to the test that its reviewers asked for; metrics/statistics for the rest.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metrics/statistics/proportions.h"
#include "metrics/statistics/roc.h"

namespace precipice {

inline constexpr double kFalseAlarmRate = 0.05;
inline constexpr std::size_t kMinWarnRuns = 5;  // cases, and controls, below which nothing is decided

struct WarnRun {
  bool diverged = false;
  bool finished = true;              // ended: a control for alarms; a run under way counts up to its last step only
  std::int64_t divergence_step = 0;  // of a case
  std::int64_t first_step = 0;       // alarms count from here: the end of the warm-up
  std::int64_t last_step = 0;        // last one logged
  int half = 0;                      // 0 or 1: which half of the seeds
  std::int64_t stratum = 0;          // only runs of one stratum are compared
};

// One signal of one run, with larger values meaning danger. NaN: not measured.
struct SignalSeries {
  std::vector<std::int64_t> steps;
  std::vector<double> values;
};

// The last finite value at or before `step`; NaN where there is none.
double value_at(const SignalSeries& series, std::int64_t step);

// psi for cases x controls in the order of `runs`; NaN where a pair cannot be compared.
PairTable pairs_at_horizon(std::span<const WarnRun> runs, std::span<const SignalSeries> signal, std::int64_t horizon);
// Average precision of the same comparisons: each control enters at each case's step, with its share of the weight.
double average_precision_at_horizon(std::span<const WarnRun> runs, std::span<const SignalSeries> signal,
                                    std::int64_t horizon);

// The rows and columns of the table that have a comparable pair.
struct PairCounts {
  std::size_t cases = 0, controls = 0;
};
PairCounts comparable(const PairTable& pairs);

// First step in [run.first_step, end) with a value above the threshold; -1: none.
std::int64_t first_alarm(const WarnRun& run, const SignalSeries& series, double threshold, std::int64_t end);

// The least threshold that at most floor(rate n) of the n peaks exceed; NaN without peaks.
double alarm_threshold(std::vector<double> peaks, double rate = kFalseAlarmRate);

struct AlarmTrial {
  double thresholds[2] = {0, 0};  // chosen on each half, tried on the other; NaN: a half without controls
  Count detected, false_alarms;
  std::vector<double> leads;  // of the detected cases, steps
};
AlarmTrial try_alarms(std::span<const WarnRun> runs, std::span<const SignalSeries> signal);

}  // namespace precipice
