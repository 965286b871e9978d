// SPDX-License-Identifier: Apache-2.0
// The statistics of a sweep, computed once and shown by `merge`, index.h5 and the report: per cell the count of
// diverged runs with intervals, survival curve and final losses; per format learning-rate sensitivity; and every format
// against the reference at each learning rate, with one sentence per comparison that carries n, effect, interval and
// test.
//   divergence   Fisher's exact test, Newcombe's interval, of runs that ended
//   survival     log-rank test; runs that have not ended are censored where they stand
//   final loss   Mann-Whitney on all runs that ended, a diverged one ranking last; bootstrap by run of the difference
//                of medians, a diverged one at its initial loss
// Holm's correction counts the comparisons of one kind. Sensitivity: mean over seeds that have a run at every rate,
// with a bootstrap by seed.
#pragma once

#include "experiments/statistics/statistics_json.h"
#include "experiments/statistics/sweep_data.h"

namespace precipice {

inline constexpr std::uint64_t kReportSeed = 0;  // of the bootstraps

Json sweep_statistics(const SweepData& data);
std::string statistics_text(const Json& statistics);  // for people

std::vector<SurvivalTime> survival_times(const std::vector<const AnalysedRun*>& runs);
Count divergence_count(const std::vector<const AnalysedRun*>& runs);  // of runs that ended
std::string rate_text(double learning_rate);                          // "0.003"

}  // namespace precipice
