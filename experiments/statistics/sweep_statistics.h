// SPDX-License-Identifier: Apache-2.0
// The statistics of a sweep, computed once and shown by `merge`, index.h5 and the report: per cell the count of
// diverged runs with intervals, survival curve and final losses; per format learning-rate sensitivity; and formats against
// their references (format_comparisons.h). Sensitivity: mean over seeds that have a run at every rate, with a bootstrap by
// seed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/statistics/format_comparisons.h"
#include "experiments/statistics/summaries.h"
#include "experiments/statistics/sweep_data.h"

namespace precipice {

struct FinalLosses {
  std::size_t n;
  std::int64_t diverged;   // of them, without a loss in nats
  double median;           // in order, a run that diverged behind every number: +inf where half or more did
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

struct SweepStatistics {
  std::string directory, reference;
  std::vector<CellStatistics> cells;
  std::vector<SensitivityStatistics> lr_sensitivity;
  FormatComparisons comparisons;
  std::vector<std::string> notes;
};

SweepStatistics sweep_statistics(const SweepData& data);

template <class Visit>
void visit_fields(const FinalLosses& losses, const Visit& visit) {
  visit("n", losses.n);
  visit("diverged", losses.diverged);
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
