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

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "experiments/statistics/summaries.h"
#include "experiments/statistics/sweep_data.h"

namespace precipice {

inline constexpr std::uint64_t kReportSeed = 0;  // of the bootstraps

struct FinalLosses {
  std::size_t n;
  double median;           // a diverged run at its initial loss
  double lowest, highest;  // of runs that did not diverge
  std::string reason;
};

struct CellStatistics {
  std::string format;
  double learning_rate;
  std::size_t runs;
  CountSummary diverged;            // of runs that ended
  std::int64_t untrained, skipped;  // of these
  SurvivalSummary survival;
  FinalLosses final_loss;
};

struct SensitivityStatistics {
  std::string format;
  std::vector<double> rates;
  std::size_t seeds;
  double mean;
  std::vector<double> by_seed;
  std::optional<BootstrapSummary> bootstrap;  // where there are two seeds and a mean
  std::string reason;                         // why there is none, or its ends are none

  Interval interval() const;  // of the bootstrap; NaN ends without it
};

// A format against the reference at one learning rate.
struct FormatComparison {
  std::string format, reference;
  double learning_rate;
  std::array<std::int64_t, 2> untrained, skipped;  // of runs that ended
  double holm_p;
  std::string verdict, sentence;
};
struct DivergenceComparison : FormatComparison {
  CountPair test;
  std::array<std::int64_t, 2> events;
};
struct SurvivalComparison : FormatComparison {
  LogRankSummary test;
  std::array<std::size_t, 2> n;
};
struct LossComparison : FormatComparison {
  ValuePair test;  // ranks with diverged runs last, the difference with them at their initial losses
};
struct FormatComparisons {
  std::vector<DivergenceComparison> divergence;
  std::vector<SurvivalComparison> survival;
  std::vector<LossComparison> final_loss;
};

struct SweepStatistics {
  std::string directory, reference;
  std::vector<CellStatistics> cells;
  std::vector<SensitivityStatistics> lr_sensitivity;
  FormatComparisons comparisons;
  std::vector<std::string> notes;
};

SweepStatistics sweep_statistics(const SweepData& data);

std::vector<SurvivalTime> survival_times(const std::vector<const AnalysedRun*>& runs);
Count divergence_count(const std::vector<const AnalysedRun*>& runs);  // of runs that ended

template <class Visit>
void visit_fields(const FinalLosses& losses, const Visit& visit) {
  visit("n", losses.n);
  visit("median", losses.median);
  visit("lowest", losses.lowest);
  visit("highest", losses.highest);
  visit_reason(losses.reason, visit);
}

template <class Visit>
void visit_fields(const CellStatistics& cell, const Visit& visit) {
  visit("format", cell.format);
  visit("learning_rate", cell.learning_rate);
  visit("runs", cell.runs);
  visit("ended", cell.diverged.count.trials);
  visit("diverged", cell.diverged);
  visit("untrained", cell.untrained);
  visit("skipped", cell.skipped);
  visit("survival", cell.survival);
  visit("final_loss", cell.final_loss);
}

template <class Visit>
void visit_fields(const SensitivityStatistics& s, const Visit& visit) {
  visit("format", s.format);
  visit("rates", s.rates);
  visit("seeds", s.seeds);
  visit("mean", s.mean);
  visit("bootstrap", s.interval());
  visit("by_seed", s.by_seed);
  if (s.bootstrap) {
    visit("resamples", s.bootstrap->resamples);
    visit("resamples_dropped", s.bootstrap->dropped);
  }
  visit_reason(s.reason, visit);
}

// What every comparison begins and ends with.
template <class Visit>
void visit_head(const FormatComparison& pair, const Visit& visit) {
  visit("format", pair.format);
  visit("reference", pair.reference);
  visit("learning_rate", pair.learning_rate);
}
template <class Visit>
void visit_end(const FormatComparison& pair, const Visit& visit) {
  visit("untrained", pair.untrained);
  visit("skipped", pair.skipped);
  visit("holm_p", pair.holm_p);
  visit("verdict", pair.verdict);
  visit("sentence", pair.sentence);
}

template <class Visit>
void visit_fields(const DivergenceComparison& pair, const Visit& visit) {
  visit_head(pair, visit);
  visit_fields(pair.test, visit);
  visit("events", pair.events);
  visit_end(pair, visit);
}

template <class Visit>
void visit_fields(const SurvivalComparison& pair, const Visit& visit) {
  visit_head(pair, visit);
  visit_fields(pair.test, visit);
  visit("n", pair.n);
  visit_end(pair, visit);
}

template <class Visit>
void visit_fields(const LossComparison& pair, const Visit& visit) {
  visit_head(pair, visit);
  visit_fields(pair.test, visit);
  visit_end(pair, visit);
}

template <class Visit>
void visit_fields(const FormatComparisons& comparisons, const Visit& visit) {
  visit("divergence", comparisons.divergence);
  visit("survival", comparisons.survival);
  visit("final_loss", comparisons.final_loss);
}

template <class Visit>
void visit_fields(const SweepStatistics& statistics, const Visit& visit) {
  visit("directory", statistics.directory);
  visit("reference", statistics.reference);
  visit("confidence", kConfidence);
  visit("bootstrap_seed", kReportSeed);
  visit("cells", statistics.cells);
  visit("lr_sensitivity", statistics.lr_sensitivity);
  visit("comparisons", statistics.comparisons);
  visit("notes", statistics.notes);
}

}  // namespace precipice
